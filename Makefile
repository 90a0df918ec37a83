# pg_cq: a PGXS extension. `make`, `make install`, `make installcheck` as usual;
# `make demo`, `make check`, `make fuzz`, `make fuzz-formats`, `make test-debezium`,
# `make test-monitoring`, `make test-tls`, `make test-http-kills` and `make bench` set up all they
# need by themselves, so they are here before PostgreSQL is.

SELF_MADE = demo check fuzz fuzz-formats test-debezium test-monitoring test-tls test-http-kills \
            bench
ifneq ($(filter $(SELF_MADE),$(MAKECMDGOALS)),)

.PHONY: $(SELF_MADE)
demo check:
	@tools/$@
fuzz:
	@tools/check build fuzz
fuzz-formats:
	@tools/install-packages fuzz && tools/check build fuzz_formats
test-debezium:
	@tools/check build debezium
test-monitoring:
	@tools/check build monitoring
test-tls:
	@tools/install-packages tls && tools/check build tls
test-http-kills:
	@HTTP_KILLS=$${HTTP_KILLS:-50} PYTEST_ADDOPTS='-k test_kill_9' tools/check build broker
bench:
	@bench/run $(if $(QUERY),compare,all)

else

EXTENSION    = pg_cq
EXTVERSION   = $(shell sed -n "s/^default_version = '\(.*\)'/\1/p" pg_cq.control)
MODULE_big   = pg_cq
OBJS         = $(patsubst %.c,%.o,$(wildcard src/*.c src/*/*.c)) $(patsubst %.cc,%.o,$(wildcard src/*/*.cc))
# Earlier versions, which can be installed still, and how to get from each to the next.
DATA         = $(filter-out $(DATA_built), $(wildcard $(EXTENSION)--*.sql))
UPGRADES     = $(notdir $(wildcard schema/$(EXTENSION)--*--*.sql))
DATA_built   = $(EXTENSION)--$(EXTVERSION).sql $(UPGRADES)

# The install script is these topics, in this order.
SCHEMA       = $(addprefix schema/, schemas.sql catalog.sql stream.sql http.sql model.sql \
               window.sql series.sql finish.sql view.sql status.sql event.sql lineage.sql \
               figures.sql topics.sql usage.sql pool.sql budget.sql node.sql grants.sql)

# Under valgrind the many views of these would take too long; "check" and "rejects" have such as well.
SLOW         = close_cascade close_nodes close_sessions graph maintained maintained_final nexmark \
               nodes nodes_values on_expire retention_changing retention_nodes sessions_twice \
               sink_nodes tpch upsert
REGRESS      = $(filter-out $(if $(MEMCHECK),$(SLOW)), \
               $(basename $(notdir $(sort $(wildcard sql/*.sql)))))
ISOLATION    = $(basename $(notdir $(sort $(wildcard specs/*.spec))))
REGRESS_OPTS   = --load-extension=pg_cq
ISOLATION_OPTS = --load-extension=pg_cq

# The server's headers count as the system's, so that all warnings are about our own code. Callbacks have their signature from
# the server, and need not use every argument.
PG_CPPFLAGS  = -Isrc -isystem $(shell $(PG_CONFIG) --includedir-server) -DCQ_VERSION='"$(EXTVERSION)"'
PG_CFLAGS    = -Wall -Wextra -Wno-unused-parameter
PG_CXXFLAGS  = -std=c++17 -Wall -Wextra -fno-rtti -fvisibility=hidden
SHLIB_LINK   = -Wl,--version-script=src/exports.map -lrdkafka -lcurl -lsimdjson -lnlopt $(PROTOBUF_LIBS) -lstdc++
# The format protobuf is built where its library is; `make WITHOUT_PROTOBUF=yes` leaves it out.
PROTOBUF     = $(shell pkg-config --cflags protobuf 2>/dev/null) -std=c++17 -include google/protobuf/compiler/parser.h
ifeq ($(WITHOUT_PROTOBUF)$(shell $(CXX) $(PROTOBUF) -E -x c++ /dev/null >/dev/null 2>&1 || echo none),)
PROTOBUF_LIBS = $(or $(shell pkg-config --libs protobuf 2>/dev/null),-lprotobuf)
PG_CPPFLAGS += -DCQ_HAS_PROTOBUF $(shell pkg-config --cflags protobuf 2>/dev/null)
endif
EXTRA_CLEAN  = $(DATA_built) results output_iso tmp_check regression.diffs regression.out

PG_CONFIG   ?= pg_config
PGXS        := $(shell $(PG_CONFIG) --pgxs)
# No bitcode: the hot path is C already, and clang is not needed to build.
override with_llvm := no
include $(PGXS)

$(EXTENSION)--$(EXTVERSION).sql: $(SCHEMA)
	cat $^ > $@

# In a script that updates, a line "-- topic: FILE" stands for a topic of the install script that is new as a whole.
$(UPGRADES): %: schema/% $(SCHEMA)
	awk '/^-- topic: /{ while ((getline line < ("schema/" $$3)) > 0) print line; next } { print }' $< > $@

%.o: %.cc
	$(CXX) $(CXXFLAGS) $(COPT) $(CPPFLAGS) -fPIC -c -o $@ $<

# The documentation. The pages keep their folders, so that the links between them hold.
PAGES = $(wildcard *.md */README.md) LICENSE $(shell find docs -type f)
pages = $(DESTDIR)$(docdir)/extension/$(EXTENSION)
install: install-pages
install-pages:
	$(MKDIR_P) $(sort $(dir $(PAGES:%='$(pages)'/%)))
	for page in $(PAGES); do $(INSTALL_DATA) "$$page" '$(pages)'/"$$page" || exit 1; done
uninstall: uninstall-pages
uninstall-pages:
	rm -rf '$(pages)'
.PHONY: install-pages uninstall-pages

# Every object depends on every header: the tree is small, a stale object costs more than a rebuild.
$(OBJS): $(wildcard src/*/*.h)
src/common/version.o: pg_cq.control

endif
