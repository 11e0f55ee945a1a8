// Package archtest holds the shape of the repository as tests: which room may
// import which, how long a file may be, which package names say nothing. It has
// no code but tests, and go test ./internal/archtest runs them.
//
// The rules are the table in rules_test.go, each with its reason. A room that
// is not in the table is a service and bound as one, so that a new folder under
// internal/ starts with the strict rules.
package archtest
