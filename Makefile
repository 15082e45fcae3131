# Every verb that a person types. Bare `make` prints them. LAB=2 puts a verb to the second lab, and so on.
LAB ?= 1
HOST ?= client-be
SERVICE ?= search
FROM ?= client-be
FAMILY ?= ipv4
NAME ?= lost-syn
JOBS ?= 2
FOR ?= 1h
PYTHON := .venv/bin/python
# Programs of the firewall, without an ending in their names.
SCRIPTS := images/firewall/capture images/firewall/decode images/firewall/injector
SCENARIOS = $(PYTHON) -m scenarios
.DEFAULT_GOAL := help
.PHONY: help setup demo test drill drills list explain validate soak bench call ping sockets byteorder ab bench-services up down status shell logs clean clean-images images doctor lint lock
MAKEFLAGS += --no-print-directory

help: ## print this list
	@echo "Faultwire: socket programs, and every way in which a network fails them. LAB=n puts a verb to lab n."
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/\1|\2/p' $(MAKEFILE_LIST) | while IFS='|' read -r name about; do printf '  make %-14s %s\n' "$$name" "$$about"; done

setup: ## install and start what is missing: Docker Engine, Compose v2, the virtual environment
	@scenarios/setup.sh

demo: setup ## the main thing: a big-endian client is answered across the firewall, with the packets to prove it
	@$(SCENARIOS) demo --lab $(LAB)

test: setup images lint ## every test, in a lab of its own
	@$(PYTHON) -m pytest

drill: setup ## run a drill, with its evidence: make drill NAME=lost-syn PAIR=be-le SERVICE=echo/select SEED=7
	@$(SCENARIOS) run $(NAME) --lab $(LAB) --pair $(or $(PAIR),be-le) $(if $(filter command line,$(origin SERVICE)),--service $(SERVICE)) $(if $(SEED),--seed $(SEED)) $(if $(REPEAT),--repeat $(REPEAT))

drills: setup ## every drill, little- and big-endian clients, on JOBS labs side by side: make drills JOBS=4 PAIR=all
	@$(SCENARIOS) run all --lab $(LAB) --jobs $(JOBS) $(if $(PAIR),--pair $(PAIR)) $(if $(SEED),--seed $(SEED)) $(if $(REPEAT),--repeat $(REPEAT))

list: setup ## the drills, a line each: make list WORDS="tcp loss"
	@$(SCENARIOS) list $(WORDS)

explain: setup ## what a drill claims, does and demands, without running it: make explain NAME=lost-syn
	@$(SCENARIOS) explain $(NAME)

validate: setup ## read every drill and service file; every error names its file, line and key
	@$(SCENARIOS) validate $(FILES)

soak: setup ## the drills over and over, in random order, with random seeds: make soak FOR=10min JOBS=2
	@$(SCENARIOS) soak --lab $(LAB) --jobs $(JOBS) --for $(FOR)

bench: setup ## what the lab itself costs: a drill's overhead, the injector, the firewall, coming up, the catalogue (QUICK=1)
	@$(SCENARIOS) bench --lab $(LAB) $(if $(QUICK),--quick)

call: setup ## call a service and show the exchange: make call SERVICE=echo/select FROM=client-be TO=server CLIENT= FAMILY=ipv4
	@$(SCENARIOS) call --lab $(LAB) $(SERVICE) --from $(FROM) $(if $(TO),--to $(TO)) --family $(FAMILY) $(if $(CLIENT),--client $(CLIENT))

ping: setup ## ping one host from another, and show the hops: make ping FROM=client TO=server-be FAMILY=ipv6
	@$(SCENARIOS) ping --lab $(LAB) --from $(FROM) $(if $(TO),--to $(TO)) --family $(FAMILY)

sockets: setup ## every socket of every host with its state and queues, as netstat prints them
	@$(SCENARIOS) sockets --lab $(LAB)

byteorder: setup ## what the two byte orders are, on both machines side by side
	@$(SCENARIOS) byteorder --lab $(LAB)

ab: setup ## Apache's ab from the client host against blocking, threads and asyncio, in one table
	@$(SCENARIOS) ab --lab $(LAB)

bench-services: setup ## the speed of every architecture beside a textbook's asyncio server, in one run (QUICK=1: small counts)
	@$(SCENARIOS) bench-services --lab $(LAB) $(if $(QUICK),--quick)

up: setup ## bring the lab up, and print who is where
	@$(SCENARIOS) up --lab $(LAB)

down: setup ## remove the lab's machines and networks
	@$(SCENARIOS) down --lab $(LAB)

status: setup ## every machine with its state, byte order and addresses
	@$(SCENARIOS) status --lab $(LAB)

shell: setup ## a shell on a machine: make shell HOST=client-be
	@$(SCENARIOS) shell --lab $(LAB) $(HOST)

logs: setup ## what the machines' main processes printed
	@$(SCENARIOS) logs --lab $(LAB)

clean: setup ## remove everything of ours on this engine, found by label, of every lab and every crashed run
	@$(SCENARIOS) clean

clean-images: setup ## the same, and the images
	@$(SCENARIOS) clean --images

images: setup ## build the images that are missing or older than their files
	@$(SCENARIOS) images

doctor: ## what this machine has of what the lab needs, and how to get the rest
	@if [ -x $(PYTHON) ]; then $(SCENARIOS) doctor; else scenarios/setup.sh doctor; fi

lint: setup ## ruff and mypy over all of the code
	@$(PYTHON) -m ruff check . $(SCRIPTS) && $(PYTHON) -m ruff format --check --quiet . $(SCRIPTS) && $(PYTHON) -m mypy
	@for script in $(SCRIPTS); do MYPYPATH=images/firewall $(PYTHON) -m mypy $$script || exit 1; done

lock: ## pin requirements.in anew in requirements.lock (needs uv)
	uv pip compile --quiet --generate-hashes --universal --python-version 3.11 --no-header --no-emit-index-url --output-file requirements.lock requirements.in
