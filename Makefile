.PHONY: all build check test basic qemu-test perf stress test-all clean
all build:
	{ [ -d node_modules ] || npm ci; } && npm run build
check test basic qemu-test perf stress test-all:
	[ -d dist ] || $(MAKE) build
	node bin/vhost-user.js $(if $(filter check,$@),check,test $(subst test-all,all,$(subst qemu-test,qemu,$(patsubst test,basic,$@))))
clean:
	if [ -d dist ]; then node bin/vhost-user.js clean --all; fi
