# SPDX-License-Identifier: Apache-2.0
# inseq: one static binary, nothing linked but libc, libm and utf8proc.
#
#   make          ./inseq                          make test     all tests (last line: N passed, N failed)
#   make demo     a heatmap, nothing downloaded    make check    format, warnings, sanitizers, arrows, tables
#   make bench    speed against limits and peers   make fuzz     each reader for a minute
#   make golden   remake golden data (Python)      make coverage lines and branches that tests run, by room
#   make test-slurm  a job array in a real Slurm   make test-real  a published model
#   make install  PREFIX and DESTDIR respected     make uninstall
#
# V=1 shows the commands. WERROR=1 makes warnings errors, SAN=1 builds with sanitizers, FAULTS=1 with the n-th-fault
# hook, CROSS=aarch64-linux-gnu- for another machine, CC=musl-gcc with musl; each has its own folder under build/.

CC      := $(if $(filter default,$(origin CC)),gcc,$(CC))
CROSS   ?=
cc      := $(CROSS)$(CC)
MACHINE := $(shell $(cc) -dumpmachine)
ISAS    := $(if $(findstring x86_64,$(MACHINE)),avx512 avx2 scalar,$(if $(findstring aarch64,$(MACHINE)),neon scalar,scalar))
B       := build/$(if $(CROSS),$(patsubst %-,%,$(CROSS))-)$(notdir $(CC))$(if $(SAN),-san)$(if $(FAULTS),-faults)$(if $(WERROR),-werror)
VERSION := 0.1.0
PREFIX  ?= /usr/local

WARN    := -Wall -Wextra $(if $(WERROR),-Werror) -Wshadow -Wconversion -Wno-sign-conversion -Wstrict-prototypes -Wmissing-prototypes
CFLAGS  ?= -O2 -g
SANITIZE := -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer
HARDEN  := -fPIE -fstack-protector-strong $(if $(SAN),,-U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=2)
FLAGS   := -std=c11 -D_GNU_SOURCE -DVERSION='"$(VERSION)"' $(WARN) $(HARDEN) -ffp-contract=off -fno-math-errno \
           -fno-unsafe-math-optimizations '-ffile-prefix-map=$(CURDIR)=.' -MMD -MP -pthread \
           $(if $(SAN),$(SANITIZE)) $(if $(FAULTS),-DFAULTS)
# What compilers call this folder, when it is reached by a link too:
export PWD := $(CURDIR)

# A static program at an address of its own where the toolchain can make one: by itself, or from musl-gcc's parts.
static  := -static-pie
musl    := -static -nostartfiles -Wl,-pie,--no-dynamic-linker,-z,text -l:rcrt1.o -l:crti.o -l:crtn.o
can      = $(shell mkdir -p $B; echo 'int main(void){return 0;}' | $(cc) -fPIE $1 -x c - -o $B/can 2>/dev/null && \
           ! readelf -l $B/can | grep -q INTERP && echo yes)
STATIC  := $(if $(SAN),$(SANITIZE) -pie,$(or $(if $(call can,$(static)),$(static)),$(if $(call can,$(musl)),$(musl)),-static))
LINK    := $(cc) $(STATIC) -pthread -Wl,--build-id=none,-z,relro,-z,now,-z,noexecstack
UTF8PROC ?= -l:libutf8proc.a
LDLIBS  := $(UTF8PROC) -lm

# Its date and name are in the program: of the commit that git or, in an archive that git made, a file tells; where neither
# does, the day of SOURCE_DATE_EPOCH, if that is set.
COMMIT  := $(shell { git --git-dir=.git log -1 --format='%cs %H' 2>/dev/null || grep '^[0-9]' tools/commit || \
           date -u -d "@$${SOURCE_DATE_EPOCH:-none}" +%F || echo unknown; } 2>/dev/null | cut -c1-23)

fast := $(if $(SAN),-O1 -g0,-O3) # sanitized, the tiles would take gcc minutes
isa_avx512 := $(fast) -mavx512f -mavx512dq -mavx512bw -mavx512vl -mavx2 -mfma -mf16c -mprefer-vector-width=512
isa_avx2   := $(fast) -mavx2 -mfma -mf16c
isa_neon   := $(fast)
isa_scalar := -Og   # for correctness, not speed

SRC  := $(filter-out tensor/kern.c,$(sort $(wildcard tensor/*.c nn/*.c nn/*/*.c tok/*.c attr/*.c attr/*/*.c)))
OBJ  := $(SRC:%.c=$(B)/%.o) $(ISAS:%=$(B)/tensor/kern_%.o)
TEST := $(patsubst %.c,$(B)/%.o,$(sort $(wildcard test/*.c)))

silent := $(findstring s,$(filter-out -%,$(firstword $(MAKEFLAGS))))
says = $(if $(V),,@$(if $(silent),,echo '  $1  $(@:build/%=%)';))

ifeq ($(SAN)$(FAULTS)$(CROSS),)
all: inseq
inseq: $(B)/inseq
	$(call says,CP) cp $< $@
else
all: $(B)/inseq
endif

TRAINER := $(patsubst %,$(B)/tools/%.o,train grammar vocabulary)
$(B)/inseq: $(B)/inseq.o $(OBJ)
$(B)/run: $(TEST) $(OBJ)
$(B)/train: $(TRAINER) $(filter-out $(B)/nn/demo.o,$(OBJ))
$(B)/inseq $(B)/run $(B)/train:
	$(call says,LINK) $(LINK) $(LDFLAGS) -o $@ $^ $(LDLIBS)

$(B)/nn/demo.o: $(wildcard nn/demo/*/*)     # taken in by the assembler
$(B)/attr/reports/page.o: attr/reports/page.js attr/reports/page.css
$(B)/attr/reports/ask_page.o: attr/reports/ask.html attr/reports/ask.css attr/reports/ask.js
$(B)/commit: always
	@mkdir -p $(@D); echo '$(COMMIT)' | cmp -s - $@ || echo '$(COMMIT)' >$@
$(B)/attr/commands/about.o: $(B)/commit LICENSE NOTICE
$(B)/attr/commands/about.o: FLAGS += -DCOMMIT='"$(COMMIT)"' -DMACHINE='"$(MACHINE)"'

$(B)/tensor/kern_%.o: tensor/kern.c Makefile
	@mkdir -p $(@D)
	$(call says,CC) $(cc) $(CPPFLAGS) $(CFLAGS) $(FLAGS) $(isa_$*) -DISA=$* -c -o $@ $<

$(B)/%.o: %.c Makefile
	@mkdir -p $(@D)
	$(call says,CC) $(cc) $(CPPFLAGS) $(CFLAGS) $(FLAGS) -c -o $@ $<

test: inseq                                # the tests run in the build whose n-th allocation or I/O call can fail
	@$(MAKE) --no-print-directory FAULTS=1 tests
tests: $(B)/run $(B)/inseq
	@INSEQ=$(B)/inseq $(B)/run

REAL := $(filter-out $(B)/test/t_%.o,$(TEST)) $(B)/test/real/t_real.o
$(B)/run-real: $(REAL) $(OBJ)
	$(call says,LINK) $(LINK) $(LDFLAGS) -o $@ $^ $(LDLIBS)
test-real: $(B)/run-real                   # MODEL=FOLDER: a published model, see tools/real.sh
	@MODEL='$(MODEL)' $(B)/run-real
test-slurm: inseq                          # or why it can't run here
	@tools/slurm/test.sh
check fuzz coverage:
	tools/$@.sh
demo bench: inseq
	tools/$@.sh
demo-model: $(B)/train                     # trains the models inside the binary; cp -r build/demo-model/. nn/demo if wanted
	$(B)/train build/demo-model nn/demo
golden:
	tools/oracle/make.sh
format:
	clang-format -i $$(git ls-files '*.c' '*.h')

# What the program says of itself, and where it is installed.
MAN := $(B)/inseq.1 $(B)/inseq-methods.7 $(B)/inseq-formats.5
COMPLETION := bash-completion/completions/inseq zsh/site-functions/_inseq fish/vendor_completions.d/inseq.fish
$(B)/inseq.1: page := help --man
$(B)/inseq-methods.7: page := help --man-methods
$(B)/inseq-formats.5: page := help --man-formats
$(B)/share/bash-completion/completions/inseq: page := completion bash
$(B)/share/zsh/site-functions/_inseq: page := completion zsh
$(B)/share/fish/vendor_completions.d/inseq.fish: page := completion fish
$(MAN) $(COMPLETION:%=$(B)/share/%): inseq
	@mkdir -p $(@D)
	$(call says,MADE) ./inseq $(page) >$@

to = $(DESTDIR)$(PREFIX)
install: inseq $(MAN) $(COMPLETION:%=$(B)/share/%)
	$(call says,INSTALL) install -D -m 755 -s --strip-program=$(CROSS)strip inseq "$(to)/bin/inseq"
	@$(foreach m,$(MAN),d="$(to)/share/man/man$(subst .,,$(suffix $m))" && mkdir -p "$$d" && \
	    gzip -9nc $m >"$$d/$(notdir $m).gz" && chmod 644 "$$d/$(notdir $m).gz" &&) true
	@$(foreach c,$(COMPLETION),install -D -m 644 $(B)/share/$c "$(to)/share/$c" &&) true
	@install -D -m 644 -t "$(to)/share/doc/inseq" LICENSE NOTICE README CHANGELOG.md
uninstall:
	rm -f "$(to)/bin/inseq" $(foreach m,$(MAN),"$(to)/share/man/man$(subst .,,$(suffix $m))/$(notdir $m).gz")
	rm -f $(foreach c,$(COMPLETION),"$(to)/share/$c")
	rm -rf "$(to)/share/doc/inseq"

clean:
	rm -rf build inseq

.SUFFIXES:
.DELETE_ON_ERROR:
$(if $(filter clean,$(MAKECMDGOALS)),$(eval .NOTPARALLEL:))
MAKEFLAGS += --no-builtin-rules
ifeq ($(MAKELEVEL)$(filter -j%,$(MAKEFLAGS)),0) # all cores, if nothing else is said
MAKEFLAGS += -j$(or $(shell nproc 2>/dev/null),1)
endif

.PHONY: always all test tests test-real test-slurm check coverage demo demo-model bench fuzz golden format install uninstall clean
-include $(filter-out $(B)/share/%,$(wildcard $(B)/*.d $(B)/*/*.d $(B)/*/*/*.d))
