package capture

// queue is a queue whose elements lie in memory in their order, so that to look at the first costs nothing. The zero value is empty.
type queue[T any] struct {
	items []T
	head  int // in items
}

func (q *queue[T]) length() int { return len(q.items) - q.head }

// push adds x at the end. What was popped gives way when it is more than what is left.
func (q *queue[T]) push(x T) {
	if q.head > 1024 && q.head > len(q.items)/2 {
		q.items = append(q.items[:0], q.items[q.head:]...)
		q.head = 0
	}
	q.items = append(q.items, x)
}

// first is the first element of a queue that is not empty.
func (q *queue[T]) first() *T { return &q.items[q.head] }

// pop takes the first element out.
func (q *queue[T]) pop() { q.head++ }
