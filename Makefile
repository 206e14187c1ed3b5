# inseq: one static binary, nothing linked but libc, libm and utf8proc.
#
#   make          ./inseq                          make test     all tests (last line: N passed, N failed)
#   make demo     a heatmap, nothing downloaded    make check    format, warnings, sanitizers, arrows, tables
#   make bench    speed against limits and peers   make fuzz     each reader for a minute
#   make golden   remake golden data (Python)      make install  PREFIX and DESTDIR respected
#
# SAN=1 builds with sanitizers, FAULTS=1 with the n-th-fault hook, CROSS=aarch64-linux-gnu- for another machine,
# CC=musl-gcc with musl; each has its own folder under build/.

CC      := $(if $(filter default,$(origin CC)),gcc,$(CC))
CROSS   ?=
cc      := $(CROSS)$(CC)
MACHINE := $(shell $(cc) -dumpmachine)
ISAS    := $(if $(findstring x86_64,$(MACHINE)),avx512 avx2 scalar,$(if $(findstring aarch64,$(MACHINE)),neon scalar,scalar))
B       := build/$(if $(CROSS),$(patsubst %-,%,$(CROSS))-)$(notdir $(CC))$(if $(SAN),-san)$(if $(FAULTS),-faults)
VERSION := 0.1.0

WARN    := -Wall -Wextra -Werror -Wshadow -Wconversion -Wno-sign-conversion -Wstrict-prototypes -Wmissing-prototypes
CFLAGS  ?= -O2 -g
SANITIZE := -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer
FLAGS   := -std=c11 -D_GNU_SOURCE -DVERSION='"$(VERSION)"' $(WARN) -ffp-contract=off -fno-math-errno \
           -fno-unsafe-math-optimizations -ffile-prefix-map=$(CURDIR)=. -MMD -MP -pthread \
           $(if $(SAN),$(SANITIZE)) $(if $(FAULTS),-DFAULTS)
LDFLAGS := $(if $(SAN),$(SANITIZE),-static) -pthread -Wl,--build-id=none
UTF8PROC ?= -l:libutf8proc.a
LDLIBS  := $(UTF8PROC) -lm

fast := $(if $(SAN),-O1 -g0,-O3) # sanitized, the tiles would take gcc minutes
isa_avx512 := $(fast) -mavx512f -mavx512dq -mavx512bw -mavx512vl -mavx2 -mfma -mf16c -mprefer-vector-width=512
isa_avx2   := $(fast) -mavx2 -mfma -mf16c
isa_neon   := $(fast)
isa_scalar := -Og   # for correctness, not speed

SRC  := $(filter-out tensor/kern.c,$(wildcard tensor/*.c nn/*.c nn/*/*.c tok/*.c attr/*.c attr/*/*.c))
OBJ  := $(SRC:%.c=$(B)/%.o) $(ISAS:%=$(B)/tensor/kern_%.o)
TEST := $(patsubst %.c,$(B)/%.o,$(wildcard test/*.c))

ifeq ($(SAN)$(FAULTS)$(CROSS),)
all: inseq
inseq: $(B)/inseq
	cp $< $@
else
all: $(B)/inseq
endif

$(B)/inseq: $(B)/inseq.o $(OBJ)
	$(cc) $(LDFLAGS) -o $@ $^ $(LDLIBS)

$(B)/run: $(TEST) $(OBJ)
	$(cc) $(LDFLAGS) -o $@ $^ $(LDLIBS)

TRAINER := $(patsubst %,$(B)/tools/%.o,train grammar vocabulary sha256)
$(B)/train: $(TRAINER) $(filter-out $(B)/nn/demo.o,$(OBJ))
	$(cc) $(LDFLAGS) -o $@ $^ $(LDLIBS)

$(B)/nn/demo.o: $(wildcard nn/demo/*/*)     # taken in by the assembler

$(B)/tensor/kern_%.o: tensor/kern.c
	@mkdir -p $(@D)
	$(cc) $(FLAGS) $(CFLAGS) $(isa_$*) -DISA=$* -c -o $@ $<

$(B)/%.o: %.c
	@mkdir -p $(@D)
	$(cc) $(FLAGS) $(CFLAGS) -c -o $@ $<

test: inseq                                # the tests run in the build whose n-th allocation or I/O call can fail
	@$(MAKE) --no-print-directory FAULTS=1 tests
tests: $(B)/run $(B)/inseq
	@INSEQ=$(B)/inseq $(B)/run

check:
	tools/check.sh

demo: inseq
	tools/demo.sh

demo-model: $(B)/train                     # trains the models inside the binary; cp -r build/demo-model/. nn/demo if wanted
	$(B)/train build/demo-model nn/demo

bench: inseq
	tools/bench.sh

fuzz:
	tools/fuzz.sh

golden:
	tools/oracle/make.sh

format:
	clang-format -i $$(git ls-files '*.c' '*.h')

$(B)/inseq.1: inseq
	./inseq help --man > $@

install: inseq $(B)/inseq.1
	install -d $(DESTDIR)$(PREFIX)/bin
	install -m 755 inseq $(DESTDIR)$(PREFIX)/bin/inseq
	install -d $(DESTDIR)$(PREFIX)/share/man/man1
	install -m 644 $(B)/inseq.1 $(DESTDIR)$(PREFIX)/share/man/man1/inseq.1
PREFIX ?= /usr/local

clean:
	rm -rf build inseq

.SUFFIXES:
MAKEFLAGS += --no-builtin-rules

.PHONY: all test tests check demo demo-model bench fuzz golden format install clean
-include $(wildcard $(B)/*.d $(B)/*/*.d $(B)/*/*/*.d)
