package tideline_test

import (
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/tidelinehq/tideline/internal/tideline"
)

func TestCleanNameGivesWhatCanBeStored(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"Ana": "Ana", " Ana\n": "Ana", "A\x00na": "Ana", "\xffAna": "\uFFFDAna", " \x00 ": "", "Ana 🌻": "Ana 🌻",
		strings.Repeat("ä", 300): strings.Repeat("ä", tideline.MaxChatName),
	} {
		if got := tideline.CleanName(in); got != want {
			t.Errorf("%q becomes %q, want %q", in, got, want)
		}
	}
}

func FuzzCleanName(f *testing.F) {
	f.Add(" A\x00na\xff ")
	f.Fuzz(func(t *testing.T, in string) {
		got := tideline.CleanName(in)
		if !utf8.ValidString(got) || strings.Contains(got, "\x00") || utf8.RuneCountInString(got) > tideline.MaxChatName {
			t.Errorf("%q becomes %q", in, got)
		}
		if again := tideline.CleanName(got); again != got {
			t.Errorf("%q becomes %q, and that %q", in, got, again)
		}
	})
}

func TestEveryBarHasAReason(t *testing.T) {
	t.Parallel()
	for _, b := range []tideline.Bar{tideline.BarLeft, tideline.BarAdminsOnly} {
		if b.Reason() == "" {
			t.Errorf("%s has none", b)
		}
	}
}
