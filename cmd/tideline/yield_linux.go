package main

import (
	"os"
	"runtime"
	"strconv"
	"syscall"
)

// leastPriority is the nice value of work that may take what is left.
const leastPriority = 19

// yieldToServers makes this process use one processor, and that only while nobody
// else wants it: a server beside it has requests to answer. Threads that start later
// are like those that start them. That it can't be done is no reason not to work.
func yieldToServers() {
	runtime.GOMAXPROCS(1)
	tasks, _ := os.ReadDir("/proc/self/task")
	for _, t := range tasks {
		if id, err := strconv.Atoi(t.Name()); err == nil {
			_ = syscall.Setpriority(syscall.PRIO_PROCESS, id, leastPriority)
		}
	}
}
