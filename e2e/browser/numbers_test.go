package browser

import (
	"strings"
	"testing"
)

// TestNumbers pairs a phone by QR code and another one by a code to type, looks at
// how it fares, and removes it.
func TestNumbers(t *testing.T) {
	t.Parallel()
	s := start(t)
	p := s.owner()
	p.open("/numbers")
	p.sees(".number-card", shop)
	p.click(`a[href="/numbers/pair"]`)
	p.click(`form[action="/numbers/pair"]:has([value="qr"]) button`)
	p.sees("main", "Scan this code") // by itself, once WhatsApp gave one
	p.until("a code of a good size", `document.querySelector("svg.qr").getBoundingClientRect().width > 200 && document.querySelector("svg.qr path").getAttribute("d").length > 500`)
	// The pairing goes on while the owner takes the other phone into the hand.
	p.open("/phones/" + chloe[1:])
	p.click(".phones-pairing button")
	p.until("the phone has scanned it", `!document.querySelector(".phones-pairing")`)
	p.open("/numbers/pair")
	p.sees("main h2", "Linked")
	p.click(`main a[href^="/numbers/"].btn:not(.primary)`)
	p.sees("main", chloe)
	p.sees("main .badge.ok", "Connected")

	p.click(`#act-pause button`)
	p.sees(".toast", "Paused")
	p.sees("main .badge.warn", "Paused")
	p.click(`#act-logout button`)
	p.sees("dialog", "must be paired again")
	p.click(`dialog [value="yes"]`)
	p.sees("main .badge.danger", "Logged out")
	p.sees("main", "Pair again")
	p.click(`#act-remove button`)
	p.click(`dialog [value="yes"]`)
	p.at("/numbers")
	p.seesNot(".number-card", chloe)

	// By a code that is typed.
	p.open("/numbers/pair")
	p.write("#pair-phone", chloe)
	p.click(`form:has(#pair-phone) button`)
	p.sees("main h2", "Type this code")
	code := read[string](p, `document.querySelector("#pair-code").textContent`)
	if len(strings.ReplaceAll(code, "-", "")) != 8 {
		t.Fatalf("the code is %q", code)
	}
	s.call("POST", "/sandbox/phones/"+chloe+"/code", map[string]string{"code": code}, nil)
	p.sees("main h2", "Linked")
	p.open("/numbers")
	p.sees(".number-card", chloe)
}
