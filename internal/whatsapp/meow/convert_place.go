package meow

import (
	"bufio"
	"strconv"
	"strings"

	"go.mau.fi/whatsmeow/proto/waE2E"

	"github.com/tidelinehq/tideline/internal/tideline"
	"github.com/tidelinehq/tideline/internal/whatsapp"
)

// convertLocation converts a place; of one that moves, where it was when sharing
// began.
func convertLocation(m *waE2E.Message) *whatsapp.Content {
	var lat, long float64
	var text string
	switch {
	case m.GetLocationMessage() != nil:
		l := m.GetLocationMessage()
		lat, long = l.GetDegreesLatitude(), l.GetDegreesLongitude()
		text = lines(l.GetName(), l.GetAddress(), l.GetComment(), l.GetURL())
	case m.GetLiveLocationMessage() != nil:
		l := m.GetLiveLocationMessage()
		lat, long = l.GetDegreesLatitude(), l.GetDegreesLongitude()
		text = lines("Live location", l.GetCaption())
	default:
		return nil
	}
	at := []string{strconv.FormatFloat(lat, 'f', -1, 64), strconv.FormatFloat(long, 'f', -1, 64)}
	return &whatsapp.Content{
		Kind: tideline.KindLocation,
		Text: lines(text, "https://www.google.com/maps?q="+at[0]+","+at[1]),
		Data: map[string]string{tideline.DataLatitude: at[0], tideline.DataLongitude: at[1]},
	}
}

// convertContact converts contact cards: a line with name and numbers for each.
func convertContact(m *waE2E.Message) *whatsapp.Content {
	cards := m.GetContactsArrayMessage().GetContacts()
	if c := m.GetContactMessage(); c != nil {
		cards = append(cards, c)
	}
	if len(cards) == 0 {
		return nil
	}
	var text, raw []string
	for _, c := range cards {
		name, numbers := readCard(c.GetVcard())
		if c.GetDisplayName() != "" {
			name = c.GetDisplayName()
		}
		line := name
		if len(numbers) > 0 {
			line = strings.TrimPrefix(name+": "+strings.Join(numbers, ", "), ": ")
		}
		text, raw = append(text, line), append(raw, c.GetVcard())
	}
	c := &whatsapp.Content{Kind: tideline.KindContact, Text: lines(text...)}
	if cards := lines(raw...); cards != "" {
		c.Data = map[string]string{tideline.DataContact: cards}
	}
	return c
}

// readCard reads name and telephone numbers out of a vCard (RFC 6350), as far
// as WhatsApp's cards need: folded lines are joined, groups and parameters
// skipped, no encodings.
func readCard(card string) (name string, numbers []string) {
	var folded []string
	s := bufio.NewScanner(strings.NewReader(card))
	s.Buffer(nil, len(card)+1) // a picture is one line
	for s.Scan() {
		line := strings.TrimSuffix(s.Text(), "\r")
		if len(folded) > 0 && (strings.HasPrefix(line, " ") || strings.HasPrefix(line, "\t")) {
			folded[len(folded)-1] += line[1:]
			continue
		}
		folded = append(folded, line)
	}
	for _, line := range folded {
		property, value, ok := strings.Cut(line, ":")
		if !ok {
			continue
		}
		property, _, _ = strings.Cut(property, ";")
		if _, after, grouped := strings.Cut(property, "."); grouped {
			property = after
		}
		value = strings.TrimSpace(strings.NewReplacer(`\,`, ",", `\;`, ";", `\n`, " ", `\\`, `\`).Replace(value))
		switch {
		case value == "":
		case strings.EqualFold(property, "FN"):
			name = value
		case strings.EqualFold(property, "TEL"):
			numbers = append(numbers, strings.TrimPrefix(value, "tel:"))
		}
	}
	return name, numbers
}
