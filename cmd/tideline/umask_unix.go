//go:build !windows

package main

import "syscall"

// keepPrivate makes new files readable for their owner only, whatever the folder
// around them allows: they hold what customers said, and keys.
func keepPrivate() { syscall.Umask(0o077) }
