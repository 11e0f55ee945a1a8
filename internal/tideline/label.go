package tideline

import "hash/fnv"

// Colour is the name of a colour in which a label is shown. The words are stored;
// which shade they are on a light and on a dark ground is the pages' business.
type Colour string

// The colours, in the order in which they are offered.
const (
	ColourRed    Colour = "red"
	ColourOrange Colour = "orange"
	ColourAmber  Colour = "amber"
	ColourGreen  Colour = "green"
	ColourTeal   Colour = "teal"
	ColourBlue   Colour = "blue"
	ColourIndigo Colour = "indigo"
	ColourViolet Colour = "violet"
	ColourPink   Colour = "pink"
	ColourGrey   Colour = "grey"
)

// Colours gives all colours in the order in which they are offered.
func Colours() []Colour {
	return []Colour{ColourRed, ColourOrange, ColourAmber, ColourGreen, ColourTeal, ColourBlue, ColourIndigo, ColourViolet, ColourPink, ColourGrey}
}

// Valid reports whether c is one of the colours.
func (c Colour) Valid() bool {
	for _, known := range Colours() {
		if c == known {
			return true
		}
	}
	return false
}

// ColourOf gives the colour of a label for which nobody chose one. It follows from
// the name alone, so it is the same everywhere and needs no storage.
func ColourOf(name string) Colour {
	colours := Colours()
	h := fnv.New32a()
	h.Write([]byte(name))
	return colours[h.Sum32()%uint32(len(colours))]
}

// Label is a word that a team puts on chats.
type Label struct {
	ID          int64
	WorkspaceID int64
	Name        string // unique in the workspace, at most MaxLabel characters
	Chosen      Colour // "" = nobody chose one
}

// Colour is the one in which the label is shown.
func (l *Label) Colour() Colour {
	if l.Chosen.Valid() {
		return l.Chosen
	}
	return ColourOf(l.Name)
}

// MayManageLabels reports whether the role may rename, merge, colour and delete
// labels, which changes chats of everybody. Whoever may send attaches labels, and
// makes new ones by that.
func (r Role) MayManageLabels() bool { return r.Administers() || r == RoleTeamSupervisor }
