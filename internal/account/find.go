package account

import (
	"strconv"
	"strings"

	"github.com/tidelinehq/tideline/internal/tideline"
)

// Find gives the account among accounts that ref, which a person wrote, names: by
// its JID in any case, its phone number in any form, or its id. An account whose
// phone number has the digits of another one's id comes first.
func Find(accounts []tideline.Account, ref string) (tideline.Account, bool) {
	ref = strings.TrimSpace(ref)
	phone, phoneErr := tideline.ParsePhone(ref)
	for _, a := range accounts {
		if strings.EqualFold(string(a.JID), ref) || phoneErr == nil && a.Phone == phone {
			return a, true
		}
	}
	id, err := strconv.ParseInt(ref, 10, 64)
	if err != nil {
		return tideline.Account{}, false
	}
	for _, a := range accounts {
		if a.ID == id {
			return a, true
		}
	}
	return tideline.Account{}, false
}
