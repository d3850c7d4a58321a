# Everything that these targets make lies in .venv and .cache below this folder; the machine stays as it was.

PYTHON := /usr/bin/python3 -E -s -B
HOST := tests/private_host
EXTRAS := simulator test
PYTEST_ARGUMENTS ?=
OPENSSH ?=
SSH2 := ssh2@1.17.0

.DEFAULT_GOAL := help
.PHONY: help venv demo test check documents benchmark regress clients clean

help:
	@echo 'make demo    a real sshd with the gate, a phone in your browser, a shell once you accept'
	@echo '             (make demo </dev/null: accepts by itself, shows ssh, scp, rsync, sftp, and what is refused)'
	@echo 'make test    all tests, on a private host in namespaces of its own; needs root'
	@echo '             (PYTEST_ARGUMENTS="tests/unit -k policy" chooses; OPENSSH=newer: that of the backports, all tests)'
	@echo 'make check   format, lint and types'
	@echo 'make documents  docs/bypasses.md, from the code'
	@echo 'make benchmark  the tables of docs/performance.md (BENCH="first_login crowd" chooses; ROUNDS=60)'
	@echo 'make regress    OpenSSH'"'"'s own regression suite, each test without the gate and with it (TESTS="connect scp")'
	@echo 'make clients    other SSH clients through the gate: PuTTY, dropbear, lftp, paramiko, git, ansible and more'
	@echo 'make clean   removes what these commands made: .venv, .cache and the like'
	@echo
	@echo 'On a fresh Debian 12 nothing has to be installed first: packages are unpacked into .cache, not installed.'

venv:
	@$(PYTHON) $(HOST)/virtual_environment.py $(EXTRAS)

demo: EXTRAS := simulator
demo: venv
	@$(PYTHON) $(HOST)/enter.py --with demo --share-network --alice-will-do -- python3 -B examples/demo/demo.py

# Logins mostly wait, the other tests mostly compute: side by side, each part on a private host of its own.
PYTEST = $(PYTHON) $(HOST)/enter.py $(OPENSSH:%=--with %-openssh) --with host --with browser --with confinement -- pytest
LOGINS := tests/clients tests/e2e
SWITCHING_ON := $(wildcard tests/e2e/test_activation*.py)
WAYS_AROUND := $(foreach subject,doctor every_bypass probe,$(wildcard tests/e2e/test_$(subject)*.py))
OTHER_DOORS := $(foreach subject,mandatory pam registered registry,$(wildcard tests/e2e/test_$(subject)*.py))
IN_PARTS := $(SWITCHING_ON) $(WAYS_AROUND) $(OTHER_DOORS)
# From 9.8 on OpenSSH has other processes, and other settings are open: what depends on these runs on such a one as well.
ON_NEWER := activation activation_systemd daemon doctor_sshd drop_ins every_bypass forwarding hand_over keys_command \
    leaving nothing_before_the_verdict one_login pam_account pam_auth probe_attempts proof registered_keys signals \
    user_rc
PARTS := test-logins test-newer-openssh test-all-else test-other-doors test-ways-around test-switching-on
.PHONY: $(PARTS)

ifeq ($(PYTEST_ARGUMENTS),)
test: venv
	@echo 'Running the tests in six parts, four at a time; each says how it went when it is done, the last in some ten minutes.'
	@$(MAKE) --no-print-directory --jobs=4 --keep-going --output-sync=target $(PARTS)
else
test: venv
	@$(PYTEST) $(PYTEST_ARGUMENTS)
endif

test-logins:
	@$(PYTEST) $(LOGINS) $(IN_PARTS:%=--ignore=%)

test-ways-around:
	@$(PYTEST) $(WAYS_AROUND)

test-other-doors:
	@$(PYTEST) $(OTHER_DOORS)

test-switching-on:
	@$(PYTEST) $(SWITCHING_ON)

test-newer-openssh: OPENSSH := newer
test-newer-openssh:
	@$(PYTEST) $(ON_NEWER:%=tests/e2e/test_%.py)

test-all-else:
	@$(PYTEST) $(LOGINS:%=--ignore=%)

check: EXTRAS := simulator test check
check: venv
	.venv/bin/python3 -m ruff format --check .
	.venv/bin/python3 -m ruff check .
	.venv/bin/python3 -m mypy
	for each in tests/conftest.py tests/*/conftest.py; do .venv/bin/python3 -m mypy $$each || exit; done

documents: venv
	@.venv/bin/python3 -B tests/bypasses_document.py

benchmark: venv
	@rm -rf .cache/login_duo; $(if $(LOGIN_DUO),mkdir .cache/login_duo; cp $(LOGIN_DUO) $(wildcard $(dir $(LOGIN_DUO))libduo.so*) .cache/login_duo)
	@$(PYTHON) $(HOST)/enter.py --with host -- env PYTHONPATH=tests:tests/e2e:benchmarks python3 -B benchmarks/run.py \
	    $(if $(ROUNDS),--rounds $(ROUNDS)) $(if $(BENCH),$(if $(WRITE),--write),--write) $(BENCH)

regress: venv
	@$(PYTHON) $(HOST)/enter.py --with clients -- python3 tests/openssh_regress/regress.py $(TESTS)

clients: venv
	@if command -v npm >/dev/null && ! test -d .cache/node/node_modules/ssh2; then \
	    npm install --prefix .cache/node --cache .cache/npm --ignore-scripts --omit=optional --no-audit --no-fund \
	        --loglevel=error $(SSH2); fi
	@$(PYTHON) $(HOST)/enter.py --with host --with clients -- pytest tests/clients $(PYTEST_ARGUMENTS)

clean:
	rm -rf .venv .cache .hypothesis .mypy_cache .pytest_cache .ruff_cache
	find secsign_gate tests examples benchmarks -name __pycache__ -type d -prune -exec rm -rf {} +
