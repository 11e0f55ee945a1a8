//go:build !linux

package datadir

// Seat is not known on this system.
func (Folder) Seat() string { return "" }
