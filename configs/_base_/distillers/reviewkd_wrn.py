# ReviewKD between wide ResNets. Of the student the literature takes the last
# block's sum, of the teacher the map behind the BN that follows.
_base_ = './reviewkd.py'

reviewkd_distiller = dict(
    student_recorders=dict(
        stage1=dict(source='backbone.layer1.sum'),
        stage2=dict(source='backbone.layer2.sum'),
        stage3=dict(source='backbone.layer3.sum'),
    ),
)
