package meow

import (
	"strings"

	"go.mau.fi/whatsmeow/proto/waE2E"

	"github.com/tidelinehq/tideline/internal/tideline"
	"github.com/tidelinehq/tideline/internal/whatsapp"
)

// convertText converts what somebody wrote.
func convertText(m *waE2E.Message) *whatsapp.Content {
	text := m.GetConversation()
	if text == "" {
		text = m.GetExtendedTextMessage().GetText()
	}
	if text == "" && m.GetGroupInviteMessage() != nil {
		i := m.GetGroupInviteMessage()
		text = lines("Invitation to the group "+i.GetGroupName(), i.GetCaption())
	}
	if text == "" {
		return nil
	}
	return &whatsapp.Content{Kind: tideline.KindText, Text: text}
}

// convertPoll makes a poll readable: the question, then a line for each option.
func convertPoll(m *waE2E.Message) *whatsapp.Content {
	var poll *waE2E.PollCreationMessage
	for _, p := range []*waE2E.PollCreationMessage{
		m.GetPollCreationMessage(), m.GetPollCreationMessageV2(), m.GetPollCreationMessageV3(), m.GetPollCreationMessageV5(), m.GetPollCreationMessageV6(),
	} {
		if p != nil {
			poll = p
		}
	}
	if poll == nil {
		return nil
	}
	text := []string{"Poll: " + poll.GetName()}
	for _, o := range poll.GetOptions() {
		text = append(text, "- "+o.GetOptionName())
	}
	return &whatsapp.Content{Kind: tideline.KindPoll, Text: lines(text...), ReplyTo: poll.GetContextInfo().GetStanzaID()}
}

// convertChoice converts what somebody picked from the buttons or the list of a
// business, and the texts that come with such.
func convertChoice(m *waE2E.Message) *whatsapp.Content {
	text := ""
	switch {
	case m.GetButtonsResponseMessage() != nil:
		text = m.GetButtonsResponseMessage().GetSelectedDisplayText()
	case m.GetTemplateButtonReplyMessage() != nil:
		text = m.GetTemplateButtonReplyMessage().GetSelectedDisplayText()
	case m.GetListResponseMessage() != nil:
		l := m.GetListResponseMessage()
		text = lines(l.GetTitle(), l.GetDescription())
	case m.GetInteractiveResponseMessage() != nil:
		text = m.GetInteractiveResponseMessage().GetBody().GetText()
	case m.GetInteractiveMessage() != nil:
		i := m.GetInteractiveMessage()
		text = lines(i.GetHeader().GetTitle(), i.GetBody().GetText(), i.GetFooter().GetText())
	case m.GetButtonsMessage() != nil:
		text = lines(m.GetButtonsMessage().GetText(), m.GetButtonsMessage().GetContentText(), m.GetButtonsMessage().GetFooterText())
	case m.GetListMessage() != nil:
		text = lines(m.GetListMessage().GetTitle(), m.GetListMessage().GetDescription(), m.GetListMessage().GetFooterText())
	case m.GetTemplateMessage() != nil:
		t := m.GetTemplateMessage().GetHydratedTemplate()
		text = lines(t.GetHydratedTitleText(), t.GetHydratedContentText(), t.GetHydratedFooterText())
	}
	if text == "" {
		return nil
	}
	return &whatsapp.Content{Kind: tideline.KindText, Text: text}
}

// lines joins what is not empty.
func lines(parts ...string) string {
	var b strings.Builder
	for _, p := range parts {
		if p = strings.TrimSpace(p); p == "" {
			continue
		}
		if b.Len() > 0 {
			b.WriteByte('\n')
		}
		b.WriteString(p)
	}
	return b.String()
}
