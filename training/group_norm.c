/* Group normalisation with optional SiLU on bf16 pictures laid out [N, P, C] (channels last), forwards and backwards.
 * torch 2.13's own backward for this layout takes most of a training step on a CPU. One picture per OpenMP iteration;
 * the inner loops run over channels and are vectorised by the compiler (-O3 -ffast-math). */
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

static inline float wide(uint16_t v) {
    uint32_t bits = (uint32_t)v << 16;
    float f;
    memcpy(&f, &bits, 4);
    return f;
}

static inline uint16_t narrow(float f) {
    uint32_t bits;
    memcpy(&bits, &f, 4);
    return (uint16_t)((bits + 0x7fff + ((bits >> 16) & 1)) >> 16);
}

/* mean, rstd: [N, G] out. */
void forward(const uint16_t *x, const float *weight, const float *bias, uint16_t *y, float *mean, float *rstd,
             int64_t n, int64_t p, int64_t c, int64_t g, float eps, int silu) {
#pragma omp parallel for
    for (int64_t i = 0; i < n; i++) {
        const uint16_t *xi = x + i * p * c;
        uint16_t *yi = y + i * p * c;
        float sum[c], square[c], scale[c], shift[c];
        memset(sum, 0, sizeof sum);
        memset(square, 0, sizeof square);
        for (int64_t j = 0; j < p; j++)
            for (int64_t k = 0; k < c; k++) {
                float v = wide(xi[j * c + k]);
                sum[k] += v;
                square[k] += v * v;
            }
        int64_t width = c / g;
        for (int64_t q = 0; q < g; q++) {
            float s = 0, s2 = 0;
            for (int64_t k = q * width; k < (q + 1) * width; k++) s += sum[k], s2 += square[k];
            float m = s / (p * width), var = s2 / (p * width) - m * m;
            float r = 1 / sqrtf((var > 0 ? var : 0) + eps);
            mean[i * g + q] = m, rstd[i * g + q] = r;
            for (int64_t k = q * width; k < (q + 1) * width; k++)
                scale[k] = weight[k] * r, shift[k] = bias[k] - m * weight[k] * r;
        }
        for (int64_t j = 0; j < p; j++)
            for (int64_t k = 0; k < c; k++) {
                float h = wide(xi[j * c + k]) * scale[k] + shift[k];
                if (silu) h = h / (1 + expf(-h));
                yi[j * c + k] = narrow(h);
            }
    }
}

/* dweight, dbias: [N, C] out, to be summed over N. */
void backward(const uint16_t *x, const uint16_t *dy, const float *weight, const float *bias, const float *mean,
              const float *rstd, uint16_t *dx, float *dweight, float *dbias, int64_t n, int64_t p, int64_t c, int64_t g,
              int silu) {
#pragma omp parallel for
    for (int64_t i = 0; i < n; i++) {
        const uint16_t *xi = x + i * p * c, *di = dy + i * p * c;
        uint16_t *oi = dx + i * p * c;
        float *dw = dweight + i * c, *db = dbias + i * c;
        float m[c], r[c], a[c], b[c];
        float *dh = malloc(p * c * sizeof(float));
        int64_t width = c / g;
        for (int64_t k = 0; k < c; k++) {
            m[k] = mean[i * g + k / width], r[k] = rstd[i * g + k / width];
            dw[k] = db[k] = 0;
        }
        for (int64_t j = 0; j < p; j++)
            for (int64_t k = 0; k < c; k++) {
                float xhat = (wide(xi[j * c + k]) - m[k]) * r[k], d = wide(di[j * c + k]);
                if (silu) {
                    float h = xhat * weight[k] + bias[k], s = 1 / (1 + expf(-h));
                    d *= s * (1 + h * (1 - s));
                }
                dh[j * c + k] = d;
                dw[k] += d * xhat;
                db[k] += d;
            }
        for (int64_t q = 0; q < g; q++) {
            float s = 0, t = 0;
            for (int64_t k = q * width; k < (q + 1) * width; k++) s += weight[k] * db[k], t += weight[k] * dw[k];
            for (int64_t k = q * width; k < (q + 1) * width; k++)
                a[k] = s / (p * width), b[k] = t / (p * width);
        }
        for (int64_t j = 0; j < p; j++)
            for (int64_t k = 0; k < c; k++) {
                float xhat = (wide(xi[j * c + k]) - m[k]) * r[k];
                oi[j * c + k] = narrow(r[k] * (dh[j * c + k] * weight[k] - a[k] - xhat * b[k]));
            }
        free(dh);
    }
}
