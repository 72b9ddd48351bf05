"What every wing stands on; nothing is imported here, so that a part of it can be used without the rest."
