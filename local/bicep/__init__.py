"""Checks of Bicep files without Bicep's compiler, which no package registry has.

`parsing` reads text into a tree, `sources` a tree into what a file declares. `symbols`, `modules`, `bodies`, `roles` and
`app_settings` each find one kind of error in that, as values; `checking` runs the first four. `snapshot` reads Microsoft's types
of the resources that we use, and `python -m local.bicep` (`make bicep-types`) renews them.
"""
