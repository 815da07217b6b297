"""The networks themselves, in plain torch, with the names of the original (LDM) layout.

They are sdkit's own because importing diffusers' and transformers' takes longer than drawing a picture, and so that
weights go from the file into the modules under their own names. The tests hold them against diffusers' and
transformers'.
"""
