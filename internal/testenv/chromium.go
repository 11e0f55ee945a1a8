package testenv

import (
	"errors"
	"os/exec"
)

// Chromium finds the browser where scripts/setup-test does.
func Chromium() (string, error) {
	for _, name := range []string{
		"chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome",
		"/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
	} {
		if path, err := exec.LookPath(name); err == nil {
			return path, nil
		}
	}
	return "", errors.New("no Chromium on PATH: run scripts/setup-test, or install Chromium or Google Chrome")
}
