package stacks

// Scenario is one handshake.
type Scenario struct {
	Name   string
	Server string // the server's identity
	Ask    bool   // it demands a client certificate of "ca"
	Client string // the client's identity, "" for none
	Trust  string // the authority that the client trusts
}

// Scenarios are those that every stack plays.
func Scenarios() []Scenario {
	return []Scenario{
		{Name: "healthy, not asked", Server: "rsa-2048", Trust: "ca"},
		{Name: "healthy, not asked, chain of two", Server: "chain", Trust: "ca"},
		{Name: "none when asked", Server: "rsa-2048", Ask: true, Trust: "ca"},
		{Name: "none when asked, P-384", Server: "p384", Ask: true, Trust: "ca"},
		{Name: "accepted, RSA", Server: "rsa-2048", Ask: true, Client: "rsa-2048", Trust: "ca"},
		{Name: "accepted, P-256", Server: "p256", Ask: true, Client: "p256", Trust: "ca"},
		{Name: "accepted, RSA-3072 and chain", Server: "rsa-3072", Ask: true, Client: "chain", Trust: "ca"},
		{Name: "refused, wrong CA", Server: "rsa-2048", Ask: true, Client: "other", Trust: "ca"},
		{Name: "client refuses, not asked", Server: "rsa-2048", Trust: "otherca"},
		{Name: "client refuses, asked", Server: "p256", Ask: true, Client: "p256", Trust: "otherca"},
	}
}
