"""The LoRA formats in the box, a module each. LyCORIS's are in the package `sdkit-lycoris`."""
