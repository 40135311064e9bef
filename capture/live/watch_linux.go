package live

import (
	"io"
	"slices"
	"time"
)

// watch notices interfaces that go down or vanish.
type watch struct {
	links  *links
	states []linkState
	looked time.Time
}

func newWatch(l *links) watch {
	return watch{links: l, states: make([]linkState, len(l.all)), looked: time.Now()}
}

// lookAfter looks if it has not for idleAfter.
func (w *watch) lookAfter(now time.Time) error {
	if now.Sub(w.looked) < idleAfter {
		return nil
	}
	w.looked = now
	return w.look()
}

// look returns a *DownError for an interface that has vanished, or that has been down for two looks: before it vanishes, an interface
// goes down, and that is not worth a word of its own. When all have vanished, and that was told, it returns io.EOF.
func (w *watch) look() error {
	if !slices.ContainsFunc(w.states, func(s linkState) bool { return s != linkGone }) {
		return io.EOF
	}
	for i, before := range w.states {
		if before == linkGone {
			continue
		}
		now := w.links.state(w.links.all[i].index)
		if now == linkDown && before == linkUp {
			now = linkDoubtful
		}
		w.states[i] = now
		if now != before && (now == linkDown || now == linkGone) {
			return &DownError{Interface: w.links.all[i].name, Gone: now == linkGone}
		}
	}
	return nil
}
