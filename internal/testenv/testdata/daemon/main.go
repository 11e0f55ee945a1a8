// Command daemon is the program that testenv's own tests build and drive. It
// says which port it would listen on, waits for an interrupt, says goodbye and
// exits with the code given by its only argument.
package main

import (
	"fmt"
	"os"
	"os/signal"
	"strconv"
)

func main() {
	code, err := strconv.Atoi(os.Args[1])
	if err != nil {
		fmt.Fprintln(os.Stderr, "exit code:", err)
		os.Exit(2)
	}
	interrupted := make(chan os.Signal, 1)
	signal.Notify(interrupted, os.Interrupt)
	fmt.Fprintln(os.Stderr, "greeting:", os.Getenv("GREETING"))
	fmt.Println("listening on 127.0.0.1:4711")
	<-interrupted
	fmt.Println("goodbye")
	os.Exit(code)
}
