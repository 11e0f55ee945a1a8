package ui

import (
	"encoding/base64"
	"net/http"
)

// flashCookie carries a text over a redirect. Only our own pages can set it, and
// it is shown as text, whatever is in it.
const flashCookie = "tideline_said"

const maxFlash = 1000 // bytes; browsers keep about 4,000 of a cookie

func (q *Request) setFlash(message string) {
	if len(message) > maxFlash {
		message = string([]rune(message)[:maxFlash/4])
	}
	http.SetCookie(q.W, &http.Cookie{
		Name: flashCookie, Value: base64.RawURLEncoding.EncodeToString([]byte(message)), Path: "/",
		MaxAge: 60, HttpOnly: true, Secure: q.kit.cfg.Secure, SameSite: http.SameSiteLaxMode,
	})
}

// takeFlash gives the text to show, once.
func (q *Request) takeFlash() string {
	c, err := q.R.Cookie(flashCookie)
	if err != nil {
		return ""
	}
	http.SetCookie(q.W, &http.Cookie{Name: flashCookie, Path: "/", MaxAge: -1, HttpOnly: true, Secure: q.kit.cfg.Secure, SameSite: http.SameSiteLaxMode})
	message, err := base64.RawURLEncoding.DecodeString(c.Value)
	if err != nil {
		return ""
	}
	return string(message)
}
