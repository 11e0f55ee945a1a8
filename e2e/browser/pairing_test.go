package browser

import (
	"testing"

	"github.com/tidelinehq/tideline/client"
)

// TestPairingAPhone pairs two more numbers from the pages alone: one phone scans
// the code that the page shows, the other's owner types one.
func TestPairingAPhone(t *testing.T) {
	t.Parallel()
	const scanned, typed = "+14840000071", "+14840000072"
	s := start(t)
	s.fast()
	s.quiet(ana)
	olga, hand := s.owner(), s.enter("the hand that holds the phones", s.member("hand@example.com", "admin"))
	add := func(number, name string) {
		hand.open("/phones")
		hand.click(`[data-dialog="phones-add"]`)
		hand.write("#phones-add-number", number)
		hand.write("#phones-add-name", name)
		hand.click("#phones-add button.primary")
		hand.sees("#phones-list", name)
		hand.open("/phones/" + number[1:])
	}

	olga.open("/numbers/pair")
	olga.click(`form:has(input[value="qr"]) button`)
	olga.until("a code is shown", `document.querySelector("#step svg.qr path")?.getAttribute("d").length > 100`)
	olga.open("/numbers/pair") // the pairing goes on although the page was left
	olga.until("it is shown again", `document.querySelector("#step svg.qr")`)
	add(scanned, "Second shop")
	hand.click("#phones-pairings button")
	olga.sees("#step", scanned)
	hand.until("there is nothing to scan any more", `!document.querySelector("#phones-pairings form")`)
	hand.sees("#phones-list", "Your number")

	add(typed, "Third shop")
	olga.open("/numbers/pair")
	olga.until("the ways to pair", `document.querySelector("#pair-phone")`)
	read[bool](olga, `(document.querySelectorAll("details").forEach((d) => { d.open = true; }), true)`)
	olga.write("#pair-phone", typed)
	olga.click(`form:has(input[value="code"]) button`)
	olga.until("a code to type", `/^[0-9A-Z]{4}-[0-9A-Z]{4}$/.test(document.querySelector("#pair-code")?.innerText ?? "")`)
	hand.click(".phones-self > summary")
	hand.click(`[data-dialog="phones-code"]`)
	hand.write("#phones-code-code", read[string](olga, `document.querySelector("#pair-code").innerText`))
	hand.click("#phones-code button.primary")
	olga.sees("#step", typed)

	olga.open("/numbers")
	for _, number := range []string{shop, scanned, typed} {
		olga.sees(".number-card", number)
		s.send(client.Message{Phone: ana, Text: "from " + number, AccountPhone: number})
		s.received(ana, "from "+number)
	}
}
