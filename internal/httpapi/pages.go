package httpapi

import (
	"bytes"
	"html/template"
	"net/http"
	"strings"
)

// pages are the few things here that people see in a browser.
type pages struct {
	notFound []byte
	start    *template.Template
}

const pageHead = `<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{{.Title}} · Tideline</title>
<style>
:root { color-scheme: light dark }
body { font: 1rem/1.6 system-ui, sans-serif; max-width: 44rem; margin: 12vh auto; padding: 0 1.5rem }
h1 { font-size: 1.5rem; line-height: 1.2 }
pre { overflow-x: auto; padding: 1rem; border: 1px solid; border-radius: .5rem }
</style>
</head>
<body>
`

const notFoundPage = pageHead + `<h1>Page not found</h1>
<p>There is nothing at this address. Paths of the Tideline API have no slash at the end.</p>
<p><a href="/docs">API reference</a></p>
</body>
</html>
`

const startPage = pageHead + `<h1>The Tideline API is here</h1>
<p>It is for programs. A program needs a token, which the server's operator makes with</p>
<pre>tideline token create --name my-program</pre>
<p>The token is shown once. Then a message is sent with</p>
<pre>curl {{.URL}}/messages \
  -H 'Authorization: Bearer YOUR_TOKEN' \
  -H 'Content-Type: application/json' \
  -d '{"phone": "+14840000000", "text": "hello, world!"}'</pre>
<p><a href="/docs">API reference</a></p>
</body>
</html>
`

// pagePolicy allows the pages nothing but their own style.
const pagePolicy = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

func newPages() pages {
	var b bytes.Buffer
	notFound := template.Must(template.New("not found").Parse(notFoundPage))
	if err := notFound.Execute(&b, struct{ Title string }{"Page not found"}); err != nil {
		panic(err) // the template is a constant
	}
	return pages{notFound: b.Bytes(), start: template.Must(template.New("start").Parse(startPage))}
}

func (p *pages) write(x *exchange, status int, page []byte) {
	h := x.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Security-Policy", pagePolicy)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Cache-Control", "no-store")
	x.WriteHeader(status)
	_, _ = x.Write(page) // the client is gone; there is no one to tell
}

// root answers at the API's own address: a person is led to the tokens, or gets a
// page that says how to begin; a program learns that there is nothing here.
func (s *server) root(x *exchange, r *http.Request) {
	browser := (r.Method == http.MethodGet || r.Method == http.MethodHead) && strings.Contains(r.Header.Get("Accept"), "text/html")
	if !browser {
		s.fail(x, r, errNoSuchPath)
		return
	}
	if s.tokensPage != "" {
		x.Header().Set("Cache-Control", "no-store")
		x.Header().Set("Vary", "Accept")
		http.Redirect(x, r, s.tokensPage, http.StatusFound)
		return
	}
	var b bytes.Buffer
	data := struct{ Title, URL string }{"API", s.baseURL(r) + Base}
	if err := s.pages.start.Execute(&b, data); err != nil {
		s.fail(x, r, err)
		return
	}
	s.pages.write(x, http.StatusOK, b.Bytes())
}
