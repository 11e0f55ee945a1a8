package file

import (
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"
)

func TestNamesAreCleaned(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"photo.png":                         "photo.png",
		"../../etc/passwd":                  "passwd",
		`C:\Users\ada\photo.png`:            "photo.png",
		"a\x00b\r\nc.png":                   "abc.png",
		"exe.\u202egpj":                     "exe.gpj",
		"  spaced\u00a0out .txt  ":          "spaced out .txt",
		".htaccess":                         "htaccess",
		"trailing. . .":                     "trailing",
		`what?<is>"this"|*.txt`:             "what__is__this___.txt",
		"\xff\xfe.png":                      "\uFFFD.png",
		"résumé 履歴書.pdf":                    "résumé 履歴書.pdf",
		"":                                  "file.png",
		"/":                                 "file.png",
		"..":                                "file.png",
		strings.Repeat("x", 2000):           strings.Repeat("x", MaxName),
		strings.Repeat("x", 2000) + ".jpeg": strings.Repeat("x", MaxName-5) + ".jpeg",
	} {
		if got := cleanName(in, "image/png"); got != want {
			t.Errorf("cleanName(%.40q) = %.80q, want %.80q", in, got, want)
		}
	}
}

func FuzzCleanName(f *testing.F) {
	for _, s := range []string{"a.png", "../x", "\u202e", "a\x00b", strings.Repeat("é", 1100) + ".x"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		got := cleanName(s, "text/plain")
		switch {
		case got == "", got == ".", got == "..", !utf8.ValidString(got):
			t.Errorf("%q is no name", got)
		case utf8.RuneCountInString(got) > MaxName:
			t.Errorf("%d characters", utf8.RuneCountInString(got))
		case strings.ContainsAny(got, `/\`) || strings.ContainsFunc(got, unicode.IsControl):
			t.Errorf("%q is not clean", got)
		case cleanName(got, "text/plain") != got:
			t.Errorf("%q becomes %q when cleaned again", got, cleanName(got, "text/plain"))
		}
	})
}

func TestTheTypeIsToldFromTheBytesFirst(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct{ sample, sent, want string }{
		{"\x89PNG\r\n\x1a\n\x00\x00\x00\x0dIHDR", "text/html", "image/png"},
		{"%PDF-1.7\n", "", "application/pdf"},
		{"<!DOCTYPE html><script>", "image/png", "text/html"},
		{"a,b\n1,2\n", "text/csv", "text/csv"},
		{"hello", "", "text/plain"},
		{"\x00\x01\x02\x03", "application/x-mine", "application/x-mine"},
		{"\x00\x01\x02\x03", "nonsense", "application/octet-stream"},
		{"\x00\x01\x02\x03", "application/octet-stream", "application/octet-stream"},
	} {
		if got := detectType([]byte(tc.sample), tc.sent); got != tc.want {
			t.Errorf("detectType(%q, %q) = %q, want %q", tc.sample, tc.sent, got, tc.want)
		}
	}
}
