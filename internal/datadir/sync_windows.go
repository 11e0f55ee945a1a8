package datadir

// syncDir does nothing: Windows has no way to flush a folder, and NTFS journals
// the rename.
func syncDir(string) error { return nil }
