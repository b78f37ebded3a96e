"""Self-checks of the exercises, one file per chapter.

    from segtutor.course import checks
    checks.ex_2_1(my_attention)

A check says "right", or in one sentence what is probably wrong. It never prints a solution.
"""
