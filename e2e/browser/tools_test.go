package browser

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"sync/atomic"
	"testing"

	"github.com/chromedp/chromedp"
)

// TestTools makes, changes and removes what a team works with besides chats, as a
// person does it with the mouse.
func TestTools(t *testing.T) {
	t.Parallel()
	s := start(t)
	owner := s.owner()
	textTemplates(owner)
	attachmentTemplates(owner)
	labels(owner)
	webhooks(owner)
}

func textTemplates(p *person) {
	p.open("/templates")
	p.sees("main", "No text templates yet")
	p.click(`a[href="/templates/texts/new"]`)
	p.write("#text-name", "Greeting")
	p.click("#text-text")
	p.press("Hello ")
	p.click(`[data-insert="{contact_name}"]`)
	p.press(", welcome!")
	p.sees("[data-preview]", "Hello Ana Costa, welcome!")
	p.sees("[data-count]", "30 of 4096")
	p.click("dialog .btn.primary")
	p.sees(".toast", "“Greeting”")
	p.sees("main .text", "Hello {contact_name}, welcome!")
	p.click(`main .template a[data-load]`)
	p.write("#text-name", "Welcome")
	p.click("dialog .btn.primary")
	p.sees("main h2", "Welcome")
	// A search finds it, another one doesn't.
	p.open("/templates?q=nothing")
	p.sees("main", "Nothing found")
	p.open("/templates?q=WELCOME")
	p.sees("main h2", "Welcome")
	p.click(`main form[data-confirm] button`)
	p.sees("dialog", "can't be undone")
	p.click(`dialog [value="yes"]`)
	p.seesNot("main h2", "Welcome")
}

func attachmentTemplates(p *person) {
	p.open("/templates/files")
	p.click(`a[href="/templates/files/new"]`)
	p.write("#file-name", "Bicycle")
	file := p.t.TempDir() + "/bicycle.png"
	if err := os.WriteFile(file, bicycle(p.s), 0o600); err != nil {
		p.t.Fatal(err)
	}
	p.do("choose a file", chromedp.SetUploadFiles(chromedp.CSS("#file-file"), []string{file}))
	p.click("dialog .btn.primary")
	p.sees("main h2", "Bicycle")
	p.until("the picture is shown", `document.querySelector("main img.media")?.naturalWidth === 360`)
	p.sees("main .template", "image/png")
}

func labels(p *person) {
	p.open("/labels")
	for _, name := range []string{"gold", "vip"} {
		p.click(`a[href="/labels/new"]`)
		p.write("#label-name", name)
		p.click(`dialog input[value="amber"]`)
		p.click("dialog .btn.primary")
		p.sees("main .chip", name)
	}
	p.until("it is amber", `getComputedStyle(document.querySelector('[data-colour="amber"]')).backgroundColor !== getComputedStyle(document.querySelector('th')).backgroundColor`)
	// A name that is taken asks whether to merge.
	p.expect("409")
	p.click(`tr:nth-child(2) a[data-load]`)
	p.write("#label-name", "gold")
	p.click("dialog .btn.primary")
	p.sees(`dialog[role="alertdialog"]`, "“gold”")
	p.click(`dialog[role="alertdialog"] [value="yes"]`)
	p.sees(".toast", "Merged into “gold”")
	p.seesNot("main .chip", "vip")
	p.until("it leads to its chats", `document.querySelector('main a[href="/inbox?label=gold"]')`)
}

func webhooks(p *person) {
	var refuse atomic.Bool
	refuse.Store(true)
	receiver := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if refuse.Load() {
			http.Error(w, `{"why":"not today"}`, http.StatusBadRequest)
			return
		}
		fmt.Fprint(w, `{"taken":true}`)
	}))
	defer receiver.Close()
	p.open("/webhooks")
	p.click(`a[href="/webhooks/new"]`)
	p.write("#hook-url", receiver.URL+"/in")
	p.click(`input[value="message:received:new"]`)
	p.click("dialog .btn.primary")
	p.sees("#secret-text", "whsec_")
	p.click(`dialog .btn.primary`)
	p.sees("main h1", "Message received")
	p.click(`form[action$="/test"] button`)
	// The log follows by itself.
	p.sees("#log", "400 Bad Request")
	p.sees("#log", "Look at its answer")
	refuse.Store(false)
	p.click("#log td a")
	p.sees("main", "not today")
	p.sees("main pre", `"message"`)
	p.click(`form[action$="/replay"] button`)
	p.click(`dialog [value="yes"]`)
	p.sees(".toast", "on its way again")
	p.click(`nav[aria-label="Where you are"] a:last-child`)
	p.sees("#log .badge", "Arrived")

	// What is in a private network is refused, in words.
	p.open("/webhooks/new")
	p.write("#hook-url", "http://10.1.2.3/in")
	p.click(`input[value="chat:new"]`)
	p.click("main .btn.primary")
	p.sees("#secret-text", "whsec_")
	p.click(`dialog .btn.primary`)
	p.sees("main h1", "Every new chat")
	p.click(`form[action$="/test"] button`)
	p.sees("#log", "have the operator start the server with --allow-network")
}
