module github.com/etcdtap/etcdtap/e2e

go 1.26.0
