"""What a row is, kept where a source is read by variant already

A source whose columns are those of variants was mapped while that was found out anew with each file. From now on it is
the source's own choice; all others that are mapped stay with a row for each product.
"""

from alembic import op

revision = "0032"
down_revision = "0031"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("""
        update source s set read_options = s.read_options || jsonb_build_object('variants_path', i.path)
          from (select distinct on (r.merchant_id, r.source_id) r.merchant_id, r.source_id, n."column" as path
                  from run r
                  join run_issue n on n.merchant_id = r.merchant_id and n.run_id = r.id
                                  and n.code = 'note:variants_expanded'
                 order by r.merchant_id, r.source_id, r.id desc) i
         where s.merchant_id = i.merchant_id and s.id = i.source_id
           and coalesce(s.read_options ->> 'variants_path', '') = ''
           and exists (select 1 from jsonb_each_text(s.mapping -> 'columns') c
                        where starts_with(c.value, i.path || '.'))
    """)


def downgrade() -> None:
    """A choice is left where it is: nothing reads otherwise by it."""
