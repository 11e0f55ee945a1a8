//go:build !linux

package main

import "runtime"

// yieldToServers makes this process use one processor: a server beside it has
// requests to answer.
func yieldToServers() { runtime.GOMAXPROCS(1) }
