package tideline_test

import (
	"testing"

	"github.com/tidelinehq/tideline/internal/tideline"
)

func TestALabelHasAColourWithoutAChoice(t *testing.T) {
	t.Parallel()
	seen := map[tideline.Colour]bool{}
	for _, name := range []string{"vip", "new", "paid", "unpaid", "complaint", "warehouse", "Spain", "wholesale", "spam", "callback", "", "ä", "🌊",
		"shipping", "refund", "b2b", "b2c", "lead", "cold", "hot", "warm", "urgent", "later", "done"} {
		c := tideline.ColourOf(name)
		if !c.Valid() {
			t.Errorf("%q has the colour %q", name, c)
		}
		if again := tideline.ColourOf(name); again != c {
			t.Errorf("%q has the colours %q and %q", name, c, again)
		}
		seen[c] = true
	}
	if len(seen) < 7 {
		t.Errorf("24 names have %d colours only", len(seen))
	}
}

func TestAChosenColourWins(t *testing.T) {
	t.Parallel()
	l := tideline.Label{Name: "vip"}
	if l.Colour() != tideline.ColourOf("vip") {
		t.Errorf("without a choice: %q", l.Colour())
	}
	for _, c := range tideline.Colours() {
		l.Chosen = c
		if l.Colour() != c {
			t.Errorf("%q is shown as %q", c, l.Colour())
		}
	}
	l.Chosen = "chartreuse" // of a later version
	if l.Colour() != tideline.ColourOf("vip") {
		t.Errorf("an unknown colour is shown as %q", l.Colour())
	}
}
