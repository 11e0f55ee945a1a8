package outbox_test

import (
	"testing"
	"testing/synctest"

	"github.com/google/go-cmp/cmp"

	"github.com/tidelinehq/tideline/internal/outbox"
	"github.com/tidelinehq/tideline/internal/tideline"
	"github.com/tidelinehq/tideline/internal/whatsapp"
)

// TestAFileIsSentAsItWasAskedFor queues files of each kind.
func TestAFileIsSentAsItWasAskedFor(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		kind tideline.Kind
		data map[string]string
		want whatsapp.Attachment
	}{
		"as its type":     {"", nil, whatsapp.Attachment{}},
		"document":        {tideline.KindDocument, nil, whatsapp.Attachment{Kind: tideline.KindDocument}},
		"voice note":      {tideline.KindVoice, map[string]string{"duration": "7", "waveform": "AAJk"}, whatsapp.Attachment{Kind: tideline.KindVoice, Seconds: 7, Waveform: []byte{0, 2, 100}}},
		"of which little": {tideline.KindVoice, map[string]string{"duration": "-7", "waveform": "?"}, whatsapp.Attachment{Kind: tideline.KindVoice}},
		"is known":        {tideline.KindVoice, nil, whatsapp.Attachment{Kind: tideline.KindVoice}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				m, p := newMemory(), &phone{}
				m.put(1, 1)
				o := m.messages[1]
				o.Message.Kind, o.Message.Data = tc.kind, tc.data
				o.File = &tideline.File{Name: "a", MIMEType: "audio/mpeg", Size: 3}
				m.messages[1] = o
				_, stop := serve(t, m, p, outbox.Config{})
				synctest.Wait()
				stop()
				got := p.files[0]
				got.Open = nil
				tc.want.Name, tc.want.MIMEType, tc.want.Size = "a", "audio/mpeg", 3
				if diff := cmp.Diff(tc.want, got); diff != "" {
					t.Errorf("sent (-want +got):\n%s", diff)
				}
			})
		})
	}
}
