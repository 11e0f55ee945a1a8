package file

import (
	"errors"
	"fmt"
	"mime"
	"path"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/gabriel-vasile/mimetype"
)

// Limits of a file's description, in characters.
const (
	MaxName        = 1024
	MaxContentType = 140
)

// sampleSize is how many bytes the type is told from; mimetype looks at as many
// by default.
const sampleSize = 3072

const anyType = "application/octet-stream"

// detectType tells the type from the bytes. Where they say no more than "some
// bytes" or "some text", what the uploading program said is more specific.
func detectType(sample []byte, sent string) string {
	t := mimetype.Detect(sample)
	if t.Is(anyType) || t.Is("text/plain") {
		if parsed, err := parseType(sent); err == nil && parsed != anyType {
			return parsed
		}
	}
	found, _, err := mime.ParseMediaType(t.String())
	if err != nil {
		return anyType
	}
	return found
}

// parseType reads a media type such as "audio/ogg; codecs=opus" and writes it in
// its canonical form.
func parseType(s string) (string, error) {
	if utf8.RuneCountInString(s) > MaxContentType {
		return "", fmt.Errorf("must be at most %d characters", MaxContentType)
	}
	t, params, err := mime.ParseMediaType(s)
	major, minor, _ := strings.Cut(t, "/")
	if err != nil || major == "" || minor == "" || major == "*" || minor == "*" || strings.Contains(minor, "/") {
		return "", errors.New("must be a media type such as image/png")
	}
	formatted := mime.FormatMediaType(t, params)
	if formatted == "" || len(formatted) > MaxContentType {
		return "", errors.New("must be a media type such as image/png")
	}
	return formatted, nil
}

// cleanName makes a file name that is safe to show, to put into a header and to
// save: no path, no control or invisible characters, no more than MaxName
// characters, and not empty.
func cleanName(name, mimeType string) string {
	name = strings.ToValidUTF8(name, "\uFFFD")
	name = strings.ReplaceAll(name, `\`, "/")
	name = name[strings.LastIndexByte(name, '/')+1:]
	name = strings.Map(func(r rune) rune {
		switch {
		case unicode.IsControl(r), unicode.Is(unicode.Cf, r), unicode.Is(unicode.Co, r):
			return -1 // bidi marks could make "gpj.exe" read "exe.jpg"
		case unicode.IsSpace(r):
			return ' '
		case strings.ContainsRune(`<>:"/|?*`, r):
			return '_'
		}
		return r
	}, name)
	// A leading dot hides a file, trailing dots and spaces vanish on Windows.
	name = strings.TrimRight(strings.TrimLeft(name, " ."), " .")
	if name == "" {
		name = "file" + extension(mimeType)
	}
	if utf8.RuneCountInString(name) > MaxName {
		runes := []rune(name)
		ext := []rune(path.Ext(name))
		if len(ext) > 32 {
			ext = nil
		}
		name = string(runes[:MaxName-len(ext)]) + string(ext)
	}
	return name
}

// extension is what names of files of a type end with; "" when that is not known.
func extension(mimeType string) string {
	if t, _, err := mime.ParseMediaType(mimeType); err == nil {
		mimeType = t
	}
	if t := mimetype.Lookup(mimeType); t != nil {
		return t.Extension()
	}
	return ""
}
