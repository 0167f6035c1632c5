"""One AWS behaviour a file: `BINDS_TO` names what it needs of the emulator, `apply()` puts it right."""
