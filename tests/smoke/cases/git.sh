# Everyday git over a few repositories; object ids have to be the same.
export GIT_AUTHOR_NAME=A GIT_AUTHOR_EMAIL=a@example.org GIT_COMMITTER_NAME=A GIT_COMMITTER_EMAIL=a@example.org
export GIT_AUTHOR_DATE='1700000000 +0000' GIT_COMMITTER_DATE='1700000000 +0000' GIT_CONFIG_NOSYSTEM=1 GIT_PAGER=cat
git init -q -b main r; cd r; seq 3000 > f; git add f; git commit -qm one; sed -i 's/^7/seven/' f; git commit -qam two
git checkout -qb side HEAD~; seq 3001 3100 >> f; git commit -qam side; git checkout -q main; git merge -q -m merged side; git log --oneline --graph
git rev-parse HEAD HEAD^{tree}; git diff HEAD~ --stat; git show --format=%s HEAD~ -- f | tail -5; git blame -s -L 1,3 f
git checkout -qb conflict HEAD~; echo other > f; git commit -qam other; git merge main; echo $?; git status --short; git merge --abort
git repack -adq; git fsck; git count-objects -v | grep -E 'in-pack|packs'; cd ..; git clone -q r c; git -C c log --format=%H -1; git -C c gc -q; git bundle create b r 2>&1 | tail -1
git -C c grep -c seven; git -C c tag -a v1 -m v1; git -C c describe; git -C c archive HEAD | sha256sum; git -C c stash list; git -C c nonsense; echo $?; git clone -q nowhere x; echo $?
(cd c; for i in 1 2 3 4 5; do echo $i > n$i; git add n$i; git commit -qm $i; done; git rebase -q --onto HEAD~3 HEAD~1 2>&1; git log --format=%s | head -4; git bisect start -q HEAD HEAD~3 2>&1 | tail -1; git worktree list | wc -l)
