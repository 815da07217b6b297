"""What travels between ComfyUI's nodes: its MODEL, CLIP, VAE, CONDITIONING, LATENT and the choices of sampling."""
