package wasim

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"strings"
)

// parseNumber returns the digits of an international phone number.
func parseNumber(s string) (string, error) {
	digits := strings.TrimPrefix(strings.TrimSpace(s), "+")
	if len(digits) < 7 || len(digits) > 15 || digits[0] == '0' {
		return "", fmt.Errorf("number %q isn't an international phone number such as +14840000001", s)
	}
	for _, c := range digits {
		if c < '0' || c > '9' {
			return "", fmt.Errorf("number %q isn't an international phone number such as +14840000001", s)
		}
	}
	return digits, nil
}

// hiddenID derives the user part of a phone's LID from its digits: 15 digits, the same in every
// server and process, so that a client keeps recognising a contact across restarts.
func hiddenID(digits string) string {
	sum := sha256.Sum256([]byte("wasim lid " + digits))
	const low = 100_000_000_000_000 // smallest number of 15 digits
	return fmt.Sprint(low + binary.BigEndian.Uint64(sum[:])%(9*low))
}
