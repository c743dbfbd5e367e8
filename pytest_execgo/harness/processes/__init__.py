"""Services that are processes of this machine: the emulators, and real executables."""
