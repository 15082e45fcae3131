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
# Programs of the images, without an ending in their names.
SCRIPTS := images/bigendian/sources images/firewall/capture images/firewall/decode images/firewall/injector images/firewall/watch
# A folder of the user's with sources that no archive has: see `make sources`.
export FAULTWIRE_SOURCES = $(SOURCES)
SCENARIOS = $(PYTHON) -m scenarios
# Which runs are kept, of the verbs that make many: KEEP_RUNS=20 the newest 20, KEEP_RUNS=14d those of 14 days.
KEPT = $(if $(KEEP_RUNS),--keep-runs $(KEEP_RUNS))
# A run on many machines needs what is installed for them: CLUSTER=tcp://head:8786 or CLUSTER=local:3.
CLUSTERED = $(if $(CLUSTER),setup-cluster)
# Runs a program of somebody else's, and says that it is at work while it prints nothing: what, then the command.
ALOUD = $(PYTHON) -m scenarios.lab.aloud
PINNED = --quiet --generate-hashes --universal --python-version 3.11 --no-header --no-emit-index-url
.DEFAULT_GOAL := help
.PHONY: help setup demo test test-long check test-endian drill drills matrix gallery list explain validate soak storm fuzz bench report merge worker setup-cluster site screenshots call ping init watch learn grade sockets byteorder endian emulation ab bench-services up down status shell logs clean clean-images images sources bundle load doctor wheel lint lock
MAKEFLAGS += --no-print-directory

help: ## print this list
	@echo "Faultwire: socket programs, and every way in which a network fails them. LAB=n puts a verb to lab n."
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/\1|\2/p' $(MAKEFILE_LIST) | while IFS='|' read -r name about; do printf '  make %-14s %s\n' "$$name" "$$about"; done

setup: ## install and start what is missing: Docker Engine, Compose v2, the virtual environment
	@scenarios/setup.sh

setup-cluster: setup ## what many machines need in the virtual environment (Dask): docs/cluster.md
	@scenarios/setup.sh cluster

demo: setup ## the main thing: a big-endian client is answered across the firewall, with the packets to prove it
	@$(SCENARIOS) demo --lab $(LAB)

test: setup images ## every test, in labs of its own, and the linters beside them
	@$(MAKE) --jobs 2 lint .tests CHOSEN=

test-long: setup ## make test, and what takes more than a minute (LONG=1), with the images that only those tests need
	@$(SCENARIOS) images cross cross-go
	@scenarios/setup.sh site
	@$(MAKE) test LONG=1

check: setup ## for whoever edits: lint, types and every test that needs no engine, at once
	@$(MAKE) --jobs 2 lint .tests CHOSEN='-m "not engine" --ignore tests/infra --ignore tests/drills'

# Python's own compiled files are kept, whatever the environment says: 1,000 programs are started here.
.tests: setup setup-cluster
	@PYTHONDONTWRITEBYTECODE= $(PYTHON) -m pytest --numprocesses auto --dist loadfile $(if $(LONG),--long) $(CHOSEN)

test-endian: setup images ## the protocol's test vectors and 1,000 random messages on every CPU whose image is there: native, PowerPC, s390x
	@$(PYTHON) -m pytest tests/wire/test_every_cpu.py

drill: setup ## run a drill, with its evidence: make drill NAME=lost-syn PAIR=be-le SERVICE=echo/select CLIENT=chunks SEED=7 PATIENCE=20s
	@$(SCENARIOS) run $(NAME) --lab $(LAB) $(if $(PAIR),--pair $(PAIR),--one-pair) $(if $(filter command line,$(origin SERVICE)),--service $(SERVICE)) $(if $(CLIENT),--client $(CLIENT)) $(if $(SEED),--seed $(SEED)) $(if $(REPEAT),--repeat $(REPEAT)) $(if $(PATIENCE),--patience $(PATIENCE)) $(KEPT)

drills: setup $(CLUSTERED) ## every drill, little- and big-endian clients, on JOBS labs side by side: make drills JOBS=4 (or LABS=3,4) PAIR=all KEEP_RUNS=20
	@$(SCENARIOS) run all --lab $(LAB) --jobs $(JOBS) $(if $(LABS),--labs $(LABS)) $(if $(PAIR),--pair $(PAIR)) $(if $(SEED),--seed $(SEED)) $(if $(REPEAT),--repeat $(REPEAT)) $(if $(PATIENCE),--patience $(PATIENCE)) $(if $(SHARD),--shard $(SHARD)) $(if $(CLUSTER),--cluster $(CLUSTER)) $(KEPT)

matrix: setup $(CLUSTERED) ## what becomes of each architecture under each drill: make matrix SERVICE=mine PATIENCE=20s CLIENT=curl PAIR=all JOBS=4 RESUME=1 CHANGED=1
	@$(SCENARIOS) matrix $(DRILLS) --lab $(LAB) $(if $(LABS),--labs $(LABS)) $(if $(filter command line,$(origin SERVICE)),--service $(SERVICE)) $(if $(CLIENT),--client $(CLIENT)) $(if $(PAIR),--pair $(PAIR)) $(if $(filter command line,$(origin JOBS)),--jobs $(JOBS)) $(if $(RESUME),--resume) $(if $(CHANGED),--changed) $(if $(PATIENCE),--patience $(PATIENCE)) $(if $(SHARD),--shard $(SHARD)) $(if $(CLUSTER),--cluster $(CLUSTER)) $(KEPT)

gallery: setup $(CLUSTERED) ## clients and servers that people run, under each failure: docs/gallery.md (JOBS=3 RESUME=1; DRILLS= some of them)
	@$(SCENARIOS) gallery $(DRILLS) --lab $(LAB) $(if $(filter command line,$(origin JOBS)),--jobs $(JOBS)) $(if $(RESUME),--resume) $(if $(CLUSTER),--cluster $(CLUSTER)) $(KEPT)

list: setup ## the drills, a line each: make list WORDS="tcp loss" JSON=1; which fit a service: make list SERVICE=mine CLIENT=curl
	@$(SCENARIOS) list $(WORDS) $(if $(filter command line,$(origin SERVICE)),--service $(SERVICE)) $(if $(CLIENT),--client $(CLIENT)) $(if $(JSON),--json)

explain: setup ## what a drill claims, does and demands, without running it: make explain NAME=lost-syn
	@$(SCENARIOS) explain $(NAME)

validate: setup ## read every drill and service file; every error names its file, line and key
	@$(SCENARIOS) validate $(FILES)

soak: setup $(CLUSTERED) ## the drills over and over, random order and seeds; keeps what did not pass: make soak FOR=10min JOBS=2
	@$(SCENARIOS) soak --lab $(LAB) --jobs $(JOBS) $(if $(LABS),--labs $(LABS)) --for $(FOR) $(if $(CLUSTER),--cluster $(CLUSTER)) $(KEPT)

storm: setup ## runs of every kind of fault, ended by kill -9, SIGTERM and Ctrl-C at random moments; is anything left? make storm N=300 SEED=7
	@$(SCENARIOS) storm --lab $(LAB) --count $(or $(N),300) $(if $(SEED),--seed $(SEED)) $(if $(WITHIN),--within $(WITHIN))

fuzz: setup ## random and mutated messages to every server on every CPU, and mutated files to their readers: make fuzz FOR=10min SEED=7 ONLY="search files"
	@$(SCENARIOS) fuzz $(ONLY) --lab $(LAB) $(if $(filter command line,$(origin FOR)),--for $(FOR)) $(if $(SEED),--seed $(SEED))

bench: setup $(CLUSTERED) ## what the lab itself costs: a drill's overhead, the injector, the firewall, coming up, the catalogue (QUICK=1)
	@$(SCENARIOS) bench --lab $(LAB) $(if $(QUICK),--quick) $(if $(CLUSTER),--cluster)

report: setup ## make the pages of a run again, and open them where there is a screen: make report RUN=runs/latest; LIVE=1 serves them while the run goes on
	@$(SCENARIOS) report --open $(RUN) $(if $(LIVE),--live)

merge: setup ## put the parts of a run (make drills SHARD=3/10, make matrix SHARD=3/10) together: make merge PARTS="a b c" OUT=folder
	@$(SCENARIOS) merge $(PARTS) --out $(OUT)

worker: setup setup-cluster ## run cells for the head of a cluster: make worker HEAD=tcp://head:8786 JOBS=4 BUNDLE=lab.tar (docs/cluster.md)
	@$(SCENARIOS) worker $(HEAD) --labs $(JOBS) $(if $(LABS),--numbers $(LABS)) $(if $(BUNDLE),--bundle $(BUNDLE))

site: setup ## the documents as a static site in build/site, every link checked: MkDocs, in an environment of its own, without a network
	@scenarios/setup.sh site
	@$(ALOUD) "MkDocs builds the site" $(PYTHON) -m tests.house.site

screenshots: setup ## docs/images anew, from the newest matrix: make screenshots RUN=runs/… CELL=runs/…/lost-syn/search-selectors/be-le
	@$(PYTHON) -m tests.report.screenshots $(RUN) $(CELL)

call: setup ## call a service and show the exchange: make call SERVICE=echo/select FROM=client-be TO=server CLIENT= FAMILY=ipv4 TSHARK=1
	@$(SCENARIOS) call --lab $(LAB) $(SERVICE) $(if $(filter command line environment,$(origin FROM)),--from $(FROM)) $(if $(TO),--to $(TO)) --family $(FAMILY) $(if $(CLIENT),--client $(CLIENT)) $(if $(TSHARK),--tshark)

ping: setup ## ping one host from another, and show the hops: make ping FROM=client TO=server-be FAMILY=ipv6
	@$(SCENARIOS) ping --lab $(LAB) --from $(FROM) $(if $(TO),--to $(TO)) --family $(FAMILY)

init: setup ## the folder of a new service, for a program of your own: make init SERVICE=mine SPEAKS=echo
	@$(SCENARIOS) init $(if $(filter command line,$(origin SERVICE)),$(SERVICE),mine) $(if $(SPEAKS),--speaks $(SPEAKS))

learn: setup ## eight lessons: predict, run, and let the packets answer: make learn LESSON=1 (LIST=1; AGAIN=1; SHEET=1 ANSWERS=1 prints)
	@$(SCENARIOS) learn --lab $(LAB) $(LESSON) $(if $(LIST),--list) $(if $(AGAIN),--again) $(if $(SHEET),--sheet) $(if $(ANSWERS),--answers)

grade: setup ## submissions of a class, a folder each, under chosen drills: make grade FOLDER=class DRILLS=a,b ONLY=anna SEED=7 RESUME=1
	@$(SCENARIOS) grade $(FOLDER) --lab $(LAB) $(if $(DRILLS),--drills "$(DRILLS)") $(if $(ONLY),--only $(ONLY)) $(if $(SEED),--seed $(SEED)) $(if $(LABS),--labs $(LABS)) $(if $(filter command line,$(origin JOBS)),--jobs $(JOBS)) $(if $(PATIENCE),--patience $(PATIENCE)) $(if $(RESUME),--resume) $(KEPT)

watch: setup ## follow the packets of a lab as a live ladder, decoded, until Ctrl-C; drills may run beside it
	@$(SCENARIOS) watch --lab $(LAB)

sockets: setup ## every socket of every host with its state, queues and program, as netstat prints them
	@$(SCENARIOS) sockets --lab $(LAB)

byteorder: setup ## what the two byte orders are, on the machines side by side (WITH=be64: on the 64-bit big-endian one too)
	@$(SCENARIOS) byteorder --lab $(LAB) $(if $(WITH),--with $(WITH))

endian: setup ## the same conversations between every mix of machines: their bytes, what differs and why (WRITE=1: docs/byte-order.md anew); SERVICE=mine CPU=mips,m68k: your own program on every CPU
	@$(SCENARIOS) endian --lab $(LAB) $(if $(WRITE),--write) $(if $(filter command line,$(origin SERVICE)),--service $(SERVICE)) $(if $(CPU),--cpu $(CPU))

emulation: setup ## errno numbers, socket options and calls that the emulated machines answer otherwise (WRITE=1: docs/emulation.md anew)
	@$(SCENARIOS) emulation --lab $(LAB) $(if $(WRITE),--write)

ab: setup ## Apache's ab from the client host against blocking, threads and asyncio, in one table
	@$(SCENARIOS) ab --lab $(LAB)

bench-services: setup ## the speed of every architecture beside a textbook's asyncio server, in one run (QUICK=1: small counts)
	@$(SCENARIOS) bench-services --lab $(LAB) $(if $(QUICK),--quick)

up: setup ## bring the lab up, and print who is where (WITH=be64: with the 64-bit big-endian hosts)
	@$(SCENARIOS) up --lab $(LAB) $(if $(WITH),--with $(WITH))

down: setup ## remove the lab's machines and networks
	@$(SCENARIOS) down --lab $(LAB)

status: setup ## every machine with its state, byte order and addresses
	@$(SCENARIOS) status --lab $(LAB) $(if $(WITH),--with $(WITH))

shell: setup ## a shell on a machine: make shell HOST=client-be
	@$(SCENARIOS) shell --lab $(LAB) $(HOST)

logs: setup ## what the machines' main processes printed
	@$(SCENARIOS) logs --lab $(LAB)

clean: setup ## remove everything of ours on this engine, found by label, of every lab and every crashed run
	@$(SCENARIOS) clean

clean-images: setup ## the same, and the images
	@$(SCENARIOS) clean --images

images: setup ## build the images that are missing or older than their files: make images CPU=m68k IMAGES=cross SOURCES=folder
	@$(SCENARIOS) images $(IMAGES) $(if $(CPU),--cpu $(CPU))

sources: setup ## which sources of the big-endian Pythons exist now, and the lines that images/bigendian/sources.toml lacks
	@$(SCENARIOS) images python && $(ALOUD) "the archives are asked" docker run --rm --init --user root --label faultwire.lab=-1 --volume "$(CURDIR)/images/bigendian:/sources:ro" faultwire/python \
	    sh -c "sed -i 's/^Types: deb$$/Types: deb deb-src/' /etc/apt/sources.list.d/*.sources; apt-get update -qq; exec python3 /sources/sources now"

bundle: setup ## images and Python packages in one file, for machines without a network: make bundle DEST=lab.tar IMAGES=host PYTHONS="3.11 3.13"
	@$(SCENARIOS) bundle "$(or $(DEST),faultwire-bundle.tar)" $(addprefix --image ,$(IMAGES)) $(addprefix --python ,$(PYTHONS))

load: ## everything out of such a file, without a network: make load BUNDLE=lab.tar SHA256=what-bundle-printed
	@scenarios/setup.sh load "$(BUNDLE)"
	@$(SCENARIOS) load "$(BUNDLE)" $(if $(SHA256),--sha256 $(SHA256))

doctor: ## what this machine has of what the lab needs, and how to get the rest
	@if [ -x $(PYTHON) ]; then $(SCENARIOS) doctor; else scenarios/setup.sh doctor; fi

wheel: setup ## what `pip install` takes into another environment: dist/faultwire-….whl, the same bytes from the same files
	@$(ALOUD) "pip builds the wheel" $(PYTHON) -m pip wheel --quiet --disable-pip-version-check --no-deps --no-index --no-build-isolation --wheel-dir dist .
	@for wheel in dist/*.whl; do printf '%s\n' $$wheel; done

lint: setup setup-cluster ## ruff, mypy and import-linter over all of the code
	@$(ALOUD) "ruff checks the code" $(PYTHON) -m ruff check . $(SCRIPTS)
	@$(ALOUD) "ruff looks at the code's form" $(PYTHON) -m ruff format --check --quiet . $(SCRIPTS)
	@$(ALOUD) "the rooms import one way" .venv/bin/lint-imports --no-cache --no-logo
	@$(ALOUD) "mypy over all of the code" $(PYTHON) -m mypy
	@for script in $(SCRIPTS); do $(ALOUD) "mypy over $$script" env MYPYPATH=images/firewall $(PYTHON) -m mypy $$script || exit 1; done

lock: setup ## pin requirements.in, requirements-cluster.in and requirements-site.in anew in their .lock (needs uv)
	@$(ALOUD) "uv looks for versions" uv pip compile $(PINNED) --output-file requirements.lock requirements.in
	@$(ALOUD) "uv looks for versions" uv pip compile $(PINNED) --constraint requirements.lock --output-file requirements-cluster.lock requirements-cluster.in
	@$(ALOUD) "uv looks for versions" uv pip compile $(PINNED) --output-file requirements-site.lock requirements-site.in
