package local

import "os"

// syncDir does nothing: Windows has no way to sync a directory, and NTFS keeps
// its own journal of names.
func syncDir(*os.Root, string) error { return nil }

func isNotDir(error) bool { return false }
