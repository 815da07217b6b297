"""Noise: where the numbers come from that a seed stands for.

A *stream* gives the normal numbers of one seed. A *source* makes a run's noise from streams: the start, and what the
samplers add on their way, white or Brownian. Sources differ in which numbers a seed stands for, so that a picture can
be made with the same noise as elsewhere; each has a module of its own. All numbers are drawn on the CPU in float32,
whatever the device, and no global generator is touched.
"""
