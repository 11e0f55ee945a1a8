package main

import (
	"bytes"
	"os"
	"runtime/debug"
	"strconv"
)

const (
	// gcPercent trades memory for CPU: a server that accepts thousands of
	// messages a second makes garbage fast from a small live heap, and at the
	// default of 100 collects it many times a second.
	gcPercent = 400
	// memoryShare of what the machine or container has is the soft limit. Near
	// it the collector works harder, so that gcPercent alone never ends a process
	// for lack of memory.
	memoryShare = 0.6
)

// tuneMemory sets how the garbage collector works, except for what the operator
// has set with GOGC or GOMEMLIMIT.
func tuneMemory() {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(gcPercent)
	}
	if os.Getenv("GOMEMLIMIT") == "" {
		if total := availableMemory(); total > 0 {
			debug.SetMemoryLimit(int64(float64(total) * memoryShare))
		}
	}
}

// availableMemory is the least of the machine's memory and the limits of the
// control group, in bytes; 0 when that can't be told, as on other systems than
// Linux.
func availableMemory() int64 {
	least := int64(0)
	for _, n := range []int64{
		machineMemory("/proc/meminfo"),
		groupMemory("/sys/fs/cgroup/memory.max"),
		groupMemory("/sys/fs/cgroup/memory/memory.limit_in_bytes"),
	} {
		if n > 0 && (least == 0 || n < least) {
			least = n
		}
	}
	return least
}

// machineMemory reads the line "MemTotal:  16384 kB".
func machineMemory(path string) int64 {
	data, err := os.ReadFile(path)
	if err != nil {
		return 0
	}
	_, rest, found := bytes.Cut(data, []byte("MemTotal:"))
	fields := bytes.Fields(rest)
	if !found || len(fields) < 2 {
		return 0
	}
	kilobytes, err := strconv.ParseInt(string(fields[0]), 10, 64)
	if err != nil {
		return 0
	}
	return kilobytes << 10
}

// groupMemory reads a control group's limit, which may be "max".
func groupMemory(path string) int64 {
	data, err := os.ReadFile(path)
	if err != nil {
		return 0
	}
	n, err := strconv.ParseInt(string(bytes.TrimSpace(data)), 10, 64)
	if err != nil {
		return 0
	}
	return n
}
