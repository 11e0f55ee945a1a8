package browser

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"image"
	"image/png"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/chromedp/chromedp"

	"github.com/tidelinehq/tideline/internal/testenv"
)

var updateImages = flag.Bool("update-images", false, "write the pictures in docs/images anew")

// freeze makes what is shown the same in every run: times, and what moves.
const freeze = `(() => {
	const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
	for (let i = 0; walk.nextNode(); ) {
		if (/^\s*\d\d:\d\d\s*$/.test(walk.currentNode.data)) walk.currentNode.data = "14:" + String(10 + i++ % 50);
	}
	document.activeElement?.blur();
	document.querySelectorAll("#toasts > *").forEach((e) => e.remove());
	return true;
})()`

// pictures takes the pictures of the README. Every run takes them, so that they
// can be taken; files are written when they are missing or -update-images is
// given, since another machine's fonts would change all of them.
func pictures(t *testing.T, p *person) {
	t.Helper()
	defer func() { // the pairing, which would be on the page for whoever comes next
		p.open("/numbers/pair")
		p.click(`form[action="/numbers/pair/end"] button`)
		p.until("the pairing is over", `!document.querySelector("#step svg.qr")`)
	}()
	for _, one := range []struct {
		file  string
		look  look
		ready func()
	}{
		{"inbox.png", look{"desktop", 1280, 800, "light"}, func() {
			p.openChat(ana)
			p.click(`[data-do="panel"]`)
			p.until("the side panel is there", `document.querySelector("#panel-label")?.checkVisibility()`)
			p.until("the picture is there", `[...document.querySelectorAll(".thread img")].some((i) => i.complete && i.naturalWidth > 0)`)
		}},
		{"inbox-phone.png", look{"phone", 390, 780, "dark"}, func() { p.openChat(ana) }},
		{"phones.png", look{"desktop", 1400, 860, "light"}, func() {
			p.open("/phones/" + ana[1:] + "?chat=%2B" + shop[1:])
			p.until("the pictures are there", `[...document.images].every((i) => i.complete && i.naturalWidth > 0)`)
		}},
		{"usage.png", look{"desktop", 1280, 800, "light"}, func() { p.open("/usage") }},
		{"pair.png", look{"desktop", 1280, 800, "light"}, func() {
			p.open("/numbers/pair")
			p.click(`form:has(input[value="qr"]) button`)
			p.until("a code is shown", `document.querySelector("#step svg.qr path")`)
		}},
	} {
		p.wear(one.look)
		one.ready()
		p.until("everything is loaded", `document.readyState === "complete" && document.fonts.status === "loaded"`)
		read[bool](p, freeze)
		ctx, cancel := context.WithTimeout(p.ctx, patience)
		data, err := chromedp.Run(ctx, chromedp.CaptureScreenshot())
		cancel()
		if err != nil {
			t.Fatal(err)
		}
		img, err := png.Decode(bytes.NewReader(data))
		if err != nil {
			t.Fatal(err)
		}
		if n := colours(img); n < 20 {
			t.Errorf("%s has %d colours only; something is not shown", one.file, n)
		}
		path := filepath.Join(testenv.ModuleRoot(t), "docs", "images", one.file)
		if _, err := os.Stat(path); *updateImages || errors.Is(err, fs.ErrNotExist) {
			if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path, data, 0o644); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// colours counts the colours of a picture, up to a hundred.
func colours(img image.Image) int {
	seen := map[[3]uint32]bool{}
	for y := img.Bounds().Min.Y; y < img.Bounds().Max.Y && len(seen) < 100; y += 2 {
		for x := img.Bounds().Min.X; x < img.Bounds().Max.X; x += 2 {
			r, g, b, _ := img.At(x, y).RGBA()
			seen[[3]uint32{r, g, b}] = true
		}
	}
	return len(seen)
}
