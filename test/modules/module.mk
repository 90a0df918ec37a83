# What the modules for tests have in common, included by each at its end: it says MODULE_big, OBJS
# and REGRESS before, and what it needs besides in the other variables, which are added to here.

EXTENSION     = $(MODULE_big)
DATA          = $(MODULE_big)--1.0.sql
REGRESS_OPTS += --load-extension=$(MODULE_big) --encoding=UTF8 --no-locale

ROOT          = ../../..
FORMAT        = $(ROOT)/src/format
objects       = $(patsubst %.c,%.o,$(patsubst %.cc,%.o,$(1)))

# Of modules that call one format: the calls, what any format needs, and what one with schemas does.
FORMAT_OBJS   = ../format_calls.o $(FORMAT)/bad_cells.o $(FORMAT)/json_parser.o \
                $(FORMAT)/target.o $(FORMAT)/name_case.o \
                $(ROOT)/src/catalog/stream_path.o $(ROOT)/src/common/options.o \
                $(patsubst %,$(ROOT)/src/common/%.o,reject settings name fault attempt time_text)
SCHEMA_OBJS   = $(FORMAT)/infer_names.o $(FORMAT)/registry.o \
                $(call objects,$(wildcard $(FORMAT)/schema_*.c)) \
                $(call objects,$(wildcard $(ROOT)/src/http/*.c)) $(ROOT)/src/common/clock.o

PG_CPPFLAGS  += -I$(ROOT)/src
PG_CFLAGS     = -Wall -Wextra -Wno-unused-parameter -Wno-missing-field-initializers \
                -Wno-sign-compare
PG_CXXFLAGS  += -std=c++17 -Wall -Wextra -fno-rtti
# The extension may be loaded too, and has the same symbols: each keeps to its own.
SHLIB_LINK   += -Wl,-Bsymbolic -lstdc++
EXTRA_CLEAN   = results regression.diffs regression.out

PG_CONFIG    ?= pg_config
PGXS         := $(shell $(PG_CONFIG) --pgxs)
override with_llvm := no
include $(PGXS)

%.o: %.cc
	$(CXX) $(CXXFLAGS) $(CPPFLAGS) -fPIC -c -o $@ $<
