package account_test

import (
	"testing"

	"github.com/tidelinehq/tideline/internal/account"
	"github.com/tidelinehq/tideline/internal/tideline"
)

func TestFindByJIDPhoneOrID(t *testing.T) {
	t.Parallel()
	accounts := []tideline.Account{numbered(14840000002, ""), numbered(1, ""), numbered(2, "")}
	accounts[0].Phone, accounts[0].JID = shop, shop.JID()
	for ref, want := range map[string]int64{
		"14840000002@s.whatsapp.net": 2, "14840000002@S.WhatsApp.Net": 2, "+14840000002": 2, "+1 (484) 000-0001": 1, "14840000001": 1, " 2 ": 2,
		"14840000002": 2, // the phone number before the id
		"3":           0, "-1": 0, "+14840000003": 0, "": 0, "nonsense": 0,
	} {
		got, ok := account.Find(accounts, ref)
		if got.ID != want || ok != (want != 0) {
			t.Errorf("find %q: got %d, %t; want %d", ref, got.ID, ok, want)
		}
	}
}
