package browser

import (
	"bytes"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"math"
	"net/http"
	"os"
	"path/filepath"

	"github.com/tidelinehq/tideline/client"
	"github.com/tidelinehq/tideline/internal/testenv"
	"github.com/tidelinehq/tideline/wasim"
)

// furnish makes conversations of some age in a sandbox, so that every page has
// something to show: texts both ways, a picture, a voice note, an answer that
// failed, a group, labels, a template and a webhook.
func furnish(s *server) {
	s.t.Helper()
	s.fast()
	for _, number := range []string{ana, chloe, "+14840000002"} {
		s.quiet(number)
	}
	s.writes("+14840000002", "Is the workshop on Saturday still on?")
	s.writes(chloe, "Bonjour! Do you ship to Lyon?")
	s.send(client.Message{Phone: dilan, Text: "Your order 4711 is ready to be picked up."})
	s.writes(ana, "Hello! I saw the blue bicycle in your window. Is it still there?")
	s.sends(ana, wasim.File{Kind: "image", MIME: "image/png", Caption: "This one", Data: bicycle(s)})
	eventually(s.t, "Ana's question has arrived", func() (bool, string) {
		n := len(s.conversation(ana))
		return n == 2, fmt.Sprint(n)
	})
	s.send(client.Message{Phone: ana, Text: "It is. Shall we keep it for you until tomorrow?"})
	s.received(ana, "It is. Shall we keep it for you until tomorrow?")
	s.send(client.Message{Phone: "+14840000009", Text: "Nobody will read this."})
	var group struct{ JID string }
	s.call(http.MethodPost, "/sandbox/phones/"+ana+"/groups", map[string]any{"subject": "Saturday workshop", "members": []string{shop, chloe}}, &group)
	s.call(http.MethodPost, "/sandbox/phones/"+chloe+"/messages", map[string]any{"to": group.JID, "text": "Who brings the pump?"}, nil)
	eventually(s.t, "the group has its name", func() (bool, string) {
		chats, _, err := s.api.Chats(s.t.Context(), client.ChatFilter{Names: []string{"Saturday workshop"}})
		return len(chats) == 1, fmt.Sprint(err)
	})
	s.sends(ana, wasim.File{Kind: "voice", MIME: "audio/ogg; codecs=opus", Data: melody(s)})
	eventually(s.t, "everything of Ana has arrived", func() (bool, string) {
		n := len(s.conversation(ana))
		return n == 4, fmt.Sprint(n)
	})
	chat := s.chat(ana)
	for _, err := range []error{
		second(s.api.AddLabels(s.t.Context(), chat.ID, "bicycle", "regular")),
		second(s.api.AddLabels(s.t.Context(), s.chat(chloe).ID, "shipping")),
		second(s.api.AddNote(s.t.Context(), chat.ID, "She bought the red one for her son in May.")),
	} {
		if err != nil {
			s.t.Fatal(err)
		}
	}
	if _, err := s.api.CreateWebhook(s.t.Context(), "message:received:new", "https://192.0.2.1/hook"); err != nil {
		s.t.Fatal(err)
	}
}

// second gives an error that comes with something.
func second[T any](_ T, err error) error { return err }

// melody is a voice note of four seconds.
func melody(s *server) []byte {
	s.t.Helper()
	data, err := os.ReadFile(filepath.Join(testenv.ModuleRoot(s.t), "internal", "web", "phones", "samples", "voice.ogg"))
	if err != nil {
		s.t.Fatal(err)
	}
	return data
}

// bicycle draws one.
func bicycle(s *server) []byte {
	s.t.Helper()
	const w, h = 360, 240
	img := image.NewRGBA(image.Rect(0, 0, w, h))
	ring := func(x, y, cx, cy, r float64) bool { return math.Abs(math.Hypot(x-cx, y-cy)-r) < 4 }
	line := func(x, y, x1, y1, x2, y2 float64) bool {
		l := math.Hypot(x2-x1, y2-y1)
		at := ((x-x1)*(x2-x1) + (y-y1)*(y2-y1)) / l
		return at >= 0 && at <= l && math.Abs((x-x1)*(y2-y1)-(y-y1)*(x2-x1))/l < 4
	}
	for py := range h {
		for px := range w {
			x, y := float64(px), float64(py)
			c := color.RGBA{236, 232, 220, 255}
			switch {
			case ring(x, y, 95, 160, 55) || ring(x, y, 265, 160, 55):
				c = color.RGBA{40, 44, 52, 255}
			case line(x, y, 95, 160, 140, 80) || line(x, y, 140, 80, 180, 160) || line(x, y, 180, 160, 95, 160) ||
				line(x, y, 140, 80, 235, 80) || line(x, y, 180, 160, 235, 80) || line(x, y, 265, 160, 228, 55) || line(x, y, 120, 70, 165, 70):
				c = color.RGBA{28, 98, 190, 255}
			case y > 214:
				c = color.RGBA{198, 190, 172, 255}
			}
			img.Set(px, py, c)
		}
	}
	var b bytes.Buffer
	if err := png.Encode(&b, img); err != nil {
		s.t.Fatal(err)
	}
	return b.Bytes()
}
