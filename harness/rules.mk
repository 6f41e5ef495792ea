# The laboratory: Python, and no part of the build.
#
# ONLY=E1,E3 JOBS=n REPEAT=n: see harness/lab run --help
experiments: $(BUILD)/turtles guest | $(PACKAGES)-harness
	harness/lab run --turtles $(BUILD)/turtles --guest $(GUEST) $(if $(ONLY),--only $(ONLY)) $(if $(JOBS),--jobs $(JOBS)) $(if $(REPEAT),--repeat $(REPEAT))

.PHONY: experiments

TEST_SCRIPTS += harness/tests/lab.sh
