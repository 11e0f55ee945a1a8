//go:build race

package testenv

// raceEnabled says whether the test binary was built with -race.
const raceEnabled = true
