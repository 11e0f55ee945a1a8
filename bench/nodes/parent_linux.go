package main

import "syscall"

// withParent lets the kernel end a process when this one ends.
func withParent() *syscall.SysProcAttr { return &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL} }
